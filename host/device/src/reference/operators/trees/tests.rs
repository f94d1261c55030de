#![allow(clippy::unwrap_used, reason = "tests")]

use super::fast::Fast;
use super::forest::{Forest, Mode, Tree};

/// A forest of random trees over four features, all branches with the same comparison.
fn forest(mode: Mode, missing: bool) -> Forest {
    let mut state = 88_172_645_463_325_252u64;
    let mut next = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) % below
    };
    let (mut nodes, mut roots) = (Vec::new(), Vec::new());
    for tree in 0..21 {
        roots.push(nodes.len());
        // Nodes in breadth-first order: each branch leads to the next two places.
        let mut open = 1;
        let mut made = 0;
        let first = nodes.len();
        while made < open {
            let leaf = open >= 31 || (tree % 3 == 0 && made > 2) || (made > 0 && next(4) == 0);
            nodes.push(if leaf {
                Tree::Leaf(vec![(next(3) as usize, next(1000) as f64 / 7.0), (1, 0.5)])
            } else {
                let yes = first + open;
                open += 2;
                Tree::Branch {
                    feature: next(4) as usize,
                    mode,
                    value: next(5) as f64,
                    missing_is_true: missing && next(2) == 0,
                    yes,
                    no: yes + 1,
                }
            });
            made += 1;
        }
    }
    Forest { nodes, roots, features: 4 }
}

#[test]
fn small_nodes_reach_the_same_leaves_as_the_general_form() {
    for mode in [Mode::LessOrEqual, Mode::Less, Mode::GreaterOrEqual, Mode::Greater, Mode::Equal, Mode::NotEqual] {
        for missing in [false, true] {
            let forest = forest(mode, missing);
            let fast = Fast::of(&forest).unwrap();
            for rows in [1usize, 7, 8, 9, 64, 130] {
                let value = |at: usize| if at % 11 == 3 { f32::NAN } else { (at * 7 % 13) as f32 / 2.0 };
                let values: Vec<f32> = (0..rows * 4).map(value).collect();
                let mut got = vec![Vec::new(); rows];
                fast.leaves(&values, 4, |row, target, weight| got[row].push((target, weight)));
                for (row, got) in got.into_iter().enumerate() {
                    let row: Vec<f64> = values[row * 4..(row + 1) * 4].iter().map(|x| f64::from(*x)).collect();
                    let want: Vec<(usize, f64)> = forest.leaves(&row).copied().collect();
                    assert_eq!(got, want, "{rows} rows");
                }
            }
        }
    }
}

#[test]
fn branches_that_compare_in_different_ways_stay_in_the_general_form() {
    let mut mixed = forest(Mode::Less, false);
    let branch = mixed.nodes.iter_mut().find_map(|node| match node {
        Tree::Branch { mode, .. } => Some(mode),
        Tree::Leaf(_) => None,
    });
    *branch.unwrap() = Mode::Greater;
    assert!(Fast::of(&mixed).is_none());
}
