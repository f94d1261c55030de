/* Passes its input on to the service that the variable CALLS names, and returns what that one answers. Where the variable BODY is
 * set, it posts that instead, and returns its input. As tests/guests/caller. */

#include "scorehost.h"

static char *calls, *body;

static bool init(sh_failure *failure) {
    calls = sh_variable("CALLS");
    body = sh_variable("BODY");
    return calls != NULL || sh_fail(failure, SH_INVALID_INPUT, "the variable CALLS names no service");
}

static void signature(sh_signature *ret) {
    const int64_t shape[] = { -1, 16 };
    sh_signature_of(ret, sh_spec_of("INPUT0", SH_FP32, shape, 2), sh_spec_of("OUTPUT0", SH_FP32, shape, 2));
}

static bool post(sh_failure *failure) {
    sh_service_answer answer;
    if (!sh_service_post(calls, "text/plain", body, strlen(body), &answer, failure))
        return false;
    if (!sh_service_successful(calls, &answer, failure))
        return false;
    free(answer.body.ptr);
    return true;
}

static bool run(const sh_tensors *inputs, sh_tensors *outputs, sh_failure *failure) {
    if (body == NULL)
        return sh_service_call_all(calls, inputs->ptr, inputs->len, NULL, 0, &outputs->ptr, &outputs->len, failure);
    sh_tensor value;
    if (!post(failure) || !sh_input(inputs, "INPUT0", &value, failure))
        return false;
    return sh_output(outputs, "OUTPUT0", sh_tensor_share(value));
}

SH_SCORER(init, signature, run)
