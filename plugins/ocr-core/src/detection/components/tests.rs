use super::*;

#[test]
fn touching_runs_are_one_component() {
    check(&["##..", ".##."], &[4]);
    check(&["#...", ".#..", "..#."], &[3]);
    check(&["..#.", ".#..", "#..."], &[3]);
}

#[test]
fn a_gap_separates() {
    check(&["#.#.", "#.#."], &[2, 2]);
    check(&["##..", "....", "##.."], &[2, 2]);
    check(&["...#", "#..."], &[1, 1]);
}

#[test]
fn arms_that_meet_below_are_one_component() {
    check(&["#.#.#", "#.#.#", "#####"], &[11]);
    check(&["#...#", "#.#.#", "#.#.#", ".#.#."], &[10]);
}

#[test]
fn one_run_joins_several_above_and_the_next_run_may_join_the_last_of_them() {
    check(&["#.#.###", ".#...#."], &[3, 4]);
    check(&["######", "#.#..#"], &[9]);
}

#[test]
fn the_outline_is_the_ends_of_the_runs() {
    let components = of(&mask(&["....", ".##.", ".#.."]), 4);
    let ends: Vec<(f32, f32)> = components[0].outline.iter().map(|point| (point.x, point.y)).collect();
    assert_eq!(ends, [(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.0, 2.0)]);
}

#[test]
fn an_empty_mask_has_no_components() {
    check(&["....", "...."], &[]);
}

/// Compares the sizes of the components, in order of their first position.
fn check(picture: &[&str], expected: &[usize]) {
    let components = of(&mask(picture), picture[0].len());
    let sizes: Vec<usize> = components.iter().map(|component| component.pixels).collect();
    assert_eq!(sizes, expected, "{picture:#?}");
}

fn mask(picture: &[&str]) -> Vec<bool> {
    picture.iter().flat_map(|row| row.bytes().map(|byte| byte == b'#')).collect()
}
