#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn freed_numbers_are_used_again_and_stale_ones_are_refused() {
    let mut slab = Slab::new();
    let a = slab.push("a").unwrap();
    let b = slab.push("b").unwrap();
    assert_eq!(slab.take(a).unwrap(), "a");
    assert!(slab.get(a).is_err());
    assert_eq!(slab.push("c").unwrap(), a);
    assert_eq!(*slab.get(b).unwrap(), "b");
    assert!(slab.take(99).is_err());
}

#[test]
fn the_table_has_a_bound() {
    let mut slab = Slab::new();
    for _ in 0..MAX_ENTRIES {
        slab.push(()).unwrap();
    }
    assert!(slab.push(()).is_err());
    slab.take(7).unwrap();
    assert_eq!(slab.push(()).unwrap(), 7);
}
