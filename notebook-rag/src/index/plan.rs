//! Which segments to put together: a pure decision.

use super::snapshot::{Part, Snapshot};

/// Segments of one size class that are joined.
const FAN: usize = 4;

/// Sizes of a part, as far as the plan cares.
#[derive(Debug, Clone, Copy)]
struct Size {
    at: usize,
    live: usize,
    dead: usize,
}

/// The parts in files that should become one, or none.
///
/// - Parts of which a quarter is dead are written anew; with `purge`, parts of which any row is.
/// - [`FAN`] parts of one size class (a power of [`FAN`] times `base` rows) are joined, unless the
///   result would have more than `most` rows.
pub(crate) fn plan(
    snapshot: &Snapshot,
    base: usize,
    most: usize,
    purge: bool,
) -> Option<Vec<Part>> {
    let parts = &snapshot.parts;
    let in_files = parts.iter().enumerate().filter(|(_, part)| !part.in_memory());
    let sizes: Vec<_> = in_files
        .map(|(at, part)| Size { at, live: part.live_rows, dead: part.dead_rows() })
        .collect();
    let chosen = choose(&sizes, base, most, purge)?;
    Some(chosen.into_iter().filter_map(|at| parts.get(at).cloned()).collect())
}

fn choose(sizes: &[Size], base: usize, most: usize, purge: bool) -> Option<Vec<usize>> {
    let stale = |size: &&Size| size.dead > 0 && (purge || size.dead * 3 >= size.live);
    if let Some(size) = sizes.iter().find(stale) {
        return Some(vec![size.at]);
    }
    (0..16).find_map(|class| {
        let of_class: Vec<_> =
            sizes.iter().filter(|size| class_of(size.live, base) == class).collect();
        let group = of_class.get(..FAN)?;
        let rows: usize = group.iter().map(|size| size.live).sum();
        (rows <= most).then(|| group.iter().map(|size| size.at).collect())
    })
}

/// 0 for up to `base * FAN / 2` rows, one more for each further factor of [`FAN`].
fn class_of(rows: usize, base: usize) -> usize {
    let mut limit = base.max(1) * FAN / 2;
    let mut class = 0;
    while rows > limit && class < 15 {
        limit *= FAN;
        class += 1;
    }
    class
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Plays the plan to its end and returns the live rows of each part, and the rows written.
    fn settle(mut sizes: Vec<(usize, usize)>, purge: bool) -> (Vec<(usize, usize)>, usize) {
        let mut written = 0;
        for _ in 0..1000 {
            let found: Vec<_> = sizes
                .iter()
                .enumerate()
                .map(|(at, &(live, dead))| Size { at, live, dead })
                .collect();
            let Some(chosen) = choose(&found, 100, 10_000, purge) else { return (sizes, written) };
            let live: usize = chosen.iter().map(|&at| sizes[at].0).sum();
            written += live;
            let mut at = 0;
            sizes.retain(|_| {
                at += 1;
                !chosen.contains(&(at - 1))
            });
            if live > 0 {
                sizes.push((live, 0));
            }
        }
        panic!("never settles: {sizes:?}");
    }

    proptest! {
        #[test]
        fn settles_and_loses_nothing(
            sizes in prop::collection::vec((0_usize..9_000, 0_usize..500), 0..60),
            purge: bool,
        ) {
            let rows: usize = sizes.iter().map(|size| size.0).sum();
            let (after, _) = settle(sizes, purge);
            prop_assert_eq!(after.iter().map(|size| size.0).sum::<usize>(), rows);
            prop_assert!(after.iter().all(|&(live, dead)| dead == 0 || !purge && dead * 3 < live));
        }
    }

    #[test]
    fn a_bulk_load_makes_few_parts_and_writes_each_row_a_few_times() {
        let (mut sizes, mut written) = (Vec::new(), 0);
        for _ in 0..1_000 {
            sizes.push((100, 0));
            let (after, more) = settle(sizes, false);
            (sizes, written) = (after, written + more);
        }
        assert!(sizes.len() < 25, "{}", sizes.len());
        assert!(written < 5 * 100_000, "{written}");
    }
}
