//! A PostgreSQL of its own for a test: in a temporary folder, on a socket there, stopped with the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running cluster. It ends with this value, and with the process when that is killed.
pub(crate) struct Cluster {
    server: Child,
    folder: tempfile::TempDir,
    fsync: &'static str,
}

/// The folder of the newest PostgreSQL's programs.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("postgres").is_file())
        .collect();
    found.sort();
    let (_, bin) = found.pop().expect("PostgreSQL is not installed: run scripts/need-test.sh");
    bin
}

/// A command that root runs as the user postgres, since the server refuses to be root.
fn command(program: &Path) -> Command {
    let root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = Command::new("setpriv");
    if root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

impl Cluster {
    #[allow(dead_code, reason = "benches start durable ones")]
    pub(crate) fn start() -> Self {
        // Killing the server loses nothing that the system has; only the machine's own crash would.
        Self::start_in(Path::new("/tmp"), "off")
    }

    /// One that writes to the disk as in earnest, in a folder on the disk that is to be measured.
    #[allow(dead_code, reason = "for benches")]
    pub(crate) fn start_durable(parent: &Path) -> Self {
        Self::start_in(parent, "on")
    }

    fn start_in(parent: &Path, fsync: &'static str) -> Self {
        let folder = Self::make(parent);
        Self::run_in(folder, fsync)
    }

    fn run_in(folder: tempfile::TempDir, fsync: &'static str) -> Self {
        let server = Self::serve(folder.path(), fsync);
        let cluster = Self { server, folder, fsync };
        cluster.wait();
        cluster
    }

    fn make(parent: &Path) -> tempfile::TempDir {
        let folder = tempfile::Builder::new().prefix("pg-").tempdir_in(parent).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        // Root's folder becomes the server's.
        let _ = Command::new("chown").args(["-R", "postgres"]).arg(folder.path()).status();
        let bin = programs();
        let made = command(&bin.join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=test", "--encoding=UTF8", "--locale=C"])
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        folder
    }

    fn serve(folder: &Path, fsync: &str) -> Child {
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        command(&programs().join("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=100"])
            .arg("-c")
            .arg(format!("fsync={fsync}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn wait(&self) {
        let (bin, deadline) = (programs(), Instant::now() + Duration::from_secs(30));
        while !self.is_ready(&bin) {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_ready(&self, bin: &Path) -> bool {
        let mut ready = Command::new(bin.join("pg_isready"));
        ready.arg("-q").arg("-h").arg(self.folder.path());
        ready.status().is_ok_and(|status| status.success())
    }

    /// Ends the server without a goodbye and starts it again: what was committed is there.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn crash(&mut self) {
        self.die();
        self.rise();
    }

    /// Ends the server in order, without waiting for those who use it, and starts it again.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn restart(&mut self) {
        // SIGINT: a fast shutdown.
        self.end("-INT");
        self.rise();
    }

    /// Ends the server without a goodbye.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn die(&mut self) {
        self.quit();
    }

    /// Starts it again.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn rise(&mut self) {
        self.server = Self::serve(self.folder.path(), self.fsync);
        self.wait();
    }

    /// Another server that follows this one; from now on this one confirms nothing that the other has not written
    /// down too.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn follower(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("pg-").tempdir_in("/tmp").unwrap();
        let _ = Command::new("chown").args(["-R", "postgres"]).arg(folder.path()).status();
        let copied = command(&programs().join("pg_basebackup"))
            .args(["--no-sync", "--checkpoint=fast", "--write-recovery-conf", "--username=test"])
            .arg("--host")
            .arg(self.folder.path())
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let follower = Self::run_in(folder, self.fsync);
        self.query("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.query("SELECT pg_reload_conf()");
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.query("SELECT sync_state FROM pg_stat_replication") != ["sync"] {
            assert!(Instant::now() < deadline, "the follower does not follow");
            std::thread::sleep(Duration::from_millis(50));
        }
        follower
    }

    /// Makes a follower a server of its own, once it shows all that it has.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn promote(&self) {
        let mut promote = command(&programs().join("pg_ctl"));
        promote.args(["promote", "--wait", "--pgdata"]).arg(self.folder.path().join("data"));
        let promoted = promote.output().unwrap();
        assert!(promoted.status.success(), "{}", String::from_utf8_lossy(&promoted.stdout));
    }

    /// Kills the process that serves one connection, and with it, as PostgreSQL has it, all of them.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn kill_a_backend(&self) {
        let one = "SELECT pid FROM pg_stat_activity WHERE application_name = 'notebook' LIMIT 1";
        for id in self.query(one) {
            let _ = Command::new("kill").args(["-9", &id]).status();
        }
    }

    /// The lines that `psql` prints, columns between `|`.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    #[allow(clippy::print_stderr, reason = "shown with a test that fails")]
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-At", "-U", "test", "-d", "postgres", "-c", sql, "-h"]).arg(self.folder.path());
        let output = psql.output().unwrap();
        // A test may ask a server that is down.
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    fn quit(&mut self) {
        // SIGQUIT: at once, without a checkpoint. Its children go with it.
        self.end("-QUIT");
    }

    fn end(&mut self, signal: &str) {
        if let Ok(None) = self.server.try_wait() {
            let _ = Command::new("kill").args([signal, &self.server.id().to_string()]).status();
            let _ = self.server.wait();
        }
    }

    /// Runs a script of `pgbench` with some clients for some seconds; returns transactions a second.
    #[allow(dead_code, reason = "for benches")]
    pub(crate) fn pgbench(&self, script: &str, clients: usize, seconds: u64) -> f64 {
        let file = self.folder.path().join("script.sql");
        fs::write(&file, script).unwrap();
        let output = Command::new(programs().join("pgbench"))
            .args(["-n", "-M", "prepared", "-j", "2", "-U", "test"])
            .args(["-c", &clients.to_string(), "-T", &seconds.to_string()])
            .arg("-h")
            .arg(self.folder.path())
            .arg("-f")
            .arg(&file)
            .arg("postgres")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let tps = text.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = tps.and_then(|rest| rest.split(' ').next());
        tps.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)))
            .parse()
            .unwrap()
    }

    /// What the server has written in its log.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The socket on which it listens.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    #[allow(dead_code, reason = "some go by a proxy")]
    pub(crate) fn url(&self) -> String {
        self.url_of("test")
    }

    /// The same for another role than the superuser.
    #[allow(dead_code, reason = "not every test that starts a cluster does this")]
    pub(crate) fn url_of(&self, role: &str) -> String {
        format!("postgres://{role}@localhost/postgres?host={}", self.folder.path().display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.quit();
    }
}
