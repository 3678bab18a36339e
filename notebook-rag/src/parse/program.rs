//! Programs of others that a child becomes: found in the usual folders, limited before they begin.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
};

use super::{
    FailureCode, Limits, ParseFailure,
    parent::{death, internal},
    sandbox,
};

/// How the child ends when there is no such program.
const NOT_FOUND: u8 = 127;
/// How it ends when it could not be limited, or become the program.
const NOT_BEGUN: u8 = 126;

/// A program as a child is to become it.
pub(super) struct Program<'p> {
    /// A path, or a name that is looked up in the usual folders.
    pub(super) name: &'p Path,
    pub(super) arguments: Vec<OsString>,
    /// All that it has of an environment.
    pub(super) variables: &'static [(&'static str, &'static str)],
    /// What it reads beside programs and libraries.
    pub(super) readable: Option<&'p Path>,
    /// Whether it opens its standard input again, to read here and there in it.
    pub(super) seeks: bool,
    /// Whether it may start threads; processes never.
    pub(super) threads: bool,
}

impl Program<'_> {
    /// Becomes the program, with this process's standard input and output. Returns only when that fails.
    pub(super) fn begin(self, limits: &Limits) -> ExitCode {
        let Some(path) = find(self.name) else { return ExitCode::from(NOT_FOUND) };
        let readable: Vec<PathBuf> =
            path.parent().into_iter().chain(self.readable).map(PathBuf::from).collect();
        let reach = sandbox::Reach { readable, input: self.seeks, threads: self.threads };
        if let Err(error) = sandbox::enter_for_program(limits, &reach) {
            let _ = writeln!(io::stderr(), "limits: {error}");
            return ExitCode::from(NOT_BEGUN);
        }
        let variables = self.variables.iter().copied();
        let error = Command::new(path).args(self.arguments).env_clear().envs(variables).exec();
        let _ = writeln!(io::stderr(), "exec: {error}");
        ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_BEGUN })
    }
}

/// Whether a child ended so because there is no such program.
pub(super) fn is_missing(code: Option<i32>) -> bool {
    code == Some(NOT_FOUND.into())
}

/// Whether a child ended so before it became the program.
pub(super) fn has_begun(code: Option<i32>) -> bool {
    code != Some(NOT_BEGUN.into())
}

/// Why a child ended that became a program, or should have.
pub(super) fn died(status: ExitStatus, complaints: &str) -> ParseFailure {
    match status.code() {
        Some(code) if code == i32::from(NOT_BEGUN) => internal(complaints),
        Some(_) => {
            ParseFailure::new(FailureCode::Crashed).with_detail(format!("{status}: {complaints}"))
        }
        None => death(status, complaints),
    }
}

fn find(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_owned());
    }
    let folders = ["/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin"];
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}
