//! The tables, in each engine's words. Both have the same, so that the statements are.

#[cfg(feature = "postgres")]
pub(super) mod postgres;
#[cfg(feature = "sqlite")]
pub(super) mod sqlite;

#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::{postgres, sqlite};
    use crate::sql::Migration;

    /// How many steps databases in use may have, and the digests of those steps in each engine's words: numbers, names,
    /// statements. These lines change only together, when further steps are released.
    const RELEASED: usize = 27;
    const POSTGRES: &str = "a9a6a94106bbfdd3b6dba084eec4bfb0b7852d881aaab70276d883ad33bdedb0";
    const SQLITE: &str = "2521d78593992600eb3983fb79d8c2adfd566f4543d8c9232284af77c638ac3d";

    fn digest(steps: &[Migration]) -> String {
        let mut hash = Sha256::new();
        for step in steps {
            hash.update(format!("{}\n{}\n{}\n", step.version, step.name, step.sql));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// I8: a step that databases have is never changed, wherever it lies in the code.
    #[test]
    fn i8_released_steps_are_what_they_were() {
        for (steps, expected) in [(postgres::MIGRATIONS, POSTGRES), (sqlite::MIGRATIONS, SQLITE)] {
            assert_eq!(digest(&steps[..RELEASED]), expected);
            let versions: Vec<u32> = steps.iter().map(|step| step.version).collect();
            let expected: Vec<u32> = (1..).take(steps.len()).collect();
            assert_eq!(versions, expected);
        }
    }
}
