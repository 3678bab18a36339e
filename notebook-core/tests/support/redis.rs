//! A Redis of its own for a test: on a free port of this machine, in a temporary folder, stopped with the test.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running server. It ends with this value, and with the process when that is killed.
pub(crate) struct RedisServer {
    server: Option<Child>,
    folder: tempfile::TempDir,
    port: u16,
    password: Option<&'static str>,
}

impl RedisServer {
    #[allow(dead_code, reason = "not every test wants one without a password")]
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// One that wants a password.
    pub(crate) fn start_with(password: Option<&'static str>) -> Self {
        // Another process may take the port that was free a moment ago.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let folder = tempfile::Builder::new().prefix("redis-").tempdir().unwrap();
            let mut server = Self { server: None, folder, port: free, password };
            if server.resume() {
                return server;
            }
        }
        panic!("Redis does not start");
    }

    /// Starts it again where it was; false when the port is taken.
    fn resume(&mut self) -> bool {
        let log = self.folder.path().join("log");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "redis-server", "--bind", "127.0.0.1", "--save", ""])
            .args(["--port", &self.port.to_string(), "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .stdout(fs::File::options().create(true).append(true).open(&log).unwrap())
            .stderr(Stdio::null())
            .stdin(Stdio::null());
        if let Some(password) = self.password {
            command.args(["--requirepass", password]);
        }
        let started = command.spawn();
        self.server = Some(started.expect("setpriv is there: run scripts/need-test.sh"));
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if self.has_ended() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                assert!(!said.is_empty(), "redis-server is missing: run scripts/need-test.sh");
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("Redis does not listen: {}", fs::read_to_string(&log).unwrap_or_default());
    }

    fn has_ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(|server| server.try_wait().unwrap().is_some())
    }

    /// kill -9.
    #[allow(dead_code, reason = "not every test that starts one does this")]
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts it again where it was.
    #[allow(dead_code, reason = "not every test that starts one does this")]
    pub(crate) fn restart(&mut self) {
        self.kill();
        for _ in 0..100 {
            if self.resume() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the port stays taken");
    }

    /// What `redis-cli` answers to a command.
    #[allow(dead_code, reason = "not every test that starts one does this")]
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// A connection of its own, for commands in one line.
    #[allow(dead_code, reason = "not every test that starts one does this")]
    pub(crate) fn connect(&self) -> Admin {
        Admin(BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).unwrap()))
    }

    pub(crate) fn url(&self) -> String {
        let user = self.password.map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{user}127.0.0.1:{}", self.port)
    }
}

/// Commands in one line, and answers in one.
#[allow(dead_code, reason = "not every test that starts one does this")]
pub(crate) struct Admin(BufReader<TcpStream>);

impl Admin {
    #[allow(dead_code, reason = "not every test that starts one does this")]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        write!(self.0.get_mut(), "{command}\r\n").unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
