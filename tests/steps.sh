# For `source`: `step NAME` begins a step and says how long the one before took; the times of all are told at the end, also of a
# script that fails.
_steps=() _step='' _began=$SECONDS

_step_ended() {
  if [[ -n $_step ]]; then
    _steps+=("$(printf '%6d s  %s' $((SECONDS - _began)) "$_step")")
  fi
}

step() {
  _step_ended
  _step=$* _began=$SECONDS
  printf '\n== %s\n' "$*"
}

_tell_steps() {
  _step_ended
  printf '\n%s:\n' "${0#"$PWD"/}"
  printf '%s\n' "${_steps[@]}"
}
trap _tell_steps EXIT
