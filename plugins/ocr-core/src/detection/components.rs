//! Connected components of a mask, positions touching at a side or a corner, found by joining the runs of adjacent rows.

use crate::Point;

/// A connected set of mask positions.
pub(super) struct Component {
    /// The first and last position of each of its runs; its convex hull is that of the whole component.
    pub(super) outline: Vec<Point>,
    /// Number of positions.
    pub(super) pixels: usize,
}

/// Set positions `start..end` of row `y`.
struct Run {
    y: usize,
    start: usize,
    end: usize,
}

/// Returns the components of `mask`, rows of `width`, in order of their first position.
pub(super) fn of(mask: &[bool], width: usize) -> Vec<Component> {
    let runs: Vec<Run> = mask.chunks_exact(width).enumerate().flat_map(|(y, row)| runs_in(y, row)).collect();
    gather(&runs, &mut joined(&runs))
}

fn runs_in(y: usize, row: &[bool]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut x = 0;
    for stretch in row.chunk_by(|a, b| a == b) {
        if stretch[0] {
            runs.push(Run { y, start: x, end: x + stretch.len() });
        }
        x += stretch.len();
    }
    runs
}

/// Joins the runs that touch; walks the runs of a row and those of the row above side by side.
fn joined(runs: &[Run]) -> Forest {
    let mut forest = Forest { parents: (0..runs.len()).collect() };
    let mut above = 0;
    for (index, run) in runs.iter().enumerate() {
        // A run above that ends before this one begins cannot touch a later one either.
        while runs[above].y + 1 < run.y || (runs[above].y + 1 == run.y && runs[above].end < run.start) {
            above += 1;
        }
        let touching = runs[above..].iter().take_while(|other| other.y + 1 == run.y && other.start <= run.end);
        for other in above..above + touching.count() {
            forest.join(other, index);
        }
    }
    forest
}

fn gather(runs: &[Run], forest: &mut Forest) -> Vec<Component> {
    let mut components: Vec<Component> = Vec::new();
    let mut component_of_root = vec![None; runs.len()];
    for (index, run) in runs.iter().enumerate() {
        let slot = *component_of_root[forest.root(index)].get_or_insert_with(|| {
            components.push(Component { outline: Vec::new(), pixels: 0 });
            components.len() - 1
        });
        let ends = [run.start, run.end - 1].map(|x| Point::new(x as f32, run.y as f32));
        components[slot].outline.extend(ends);
        components[slot].pixels += run.end - run.start;
    }
    components
}

/// Disjoint sets of run indices; the root of a set is its smallest index.
struct Forest {
    parents: Vec<usize>,
}

impl Forest {
    fn root(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests;
