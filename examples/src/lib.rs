//! Programs that embed the notebook crates; see `src/bin/`.
