//! One server or worker, which dies and comes back.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use rustix::process::{Pid, Signal, kill_process};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Server,
    Worker,
}

/// Where the servers are, or were a moment ago.
pub type Addresses = Arc<RwLock<Vec<String>>>;

/// How a process is started.
pub struct Plan {
    pub name: String,
    pub role: Role,
    pub folder: PathBuf,
    pub environment: Vec<(String, String)>,
}

pub struct Process {
    plan: Plan,
    /// Its place among the addresses, for a server.
    place: usize,
    addresses: Addresses,
    child: Option<Child>,
    ready: Arc<AtomicBool>,
    /// Not before then is it started again.
    again: Instant,
    stopped_until: Option<Instant>,
    ending: bool,
}

impl Process {
    pub fn new(plan: Plan, addresses: Addresses) -> Self {
        std::fs::create_dir_all(&plan.folder).unwrap();
        let place = addresses.read().len();
        if plan.role == Role::Server {
            addresses.write().push(String::new());
        }
        let (ready, again) = (Arc::default(), Instant::now());
        Self {
            plan,
            place,
            addresses,
            child: None,
            ready,
            again,
            stopped_until: None,
            ending: false,
        }
    }

    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Whether it runs, and has said that it is ready.
    pub fn is_ready(&self) -> bool {
        self.child.is_some() && self.stopped_until.is_none() && self.ready.load(Ordering::SeqCst)
    }

    fn start(&mut self) {
        let (command, said): (&[&str], _) = match self.plan.role {
            Role::Server => (&["serve", "--port", "0"], "notebook is ready at "),
            Role::Worker => (&["worker"], "worker is ready"),
        };
        let errors = self.plan.folder.with_extension("log");
        let errors = File::options().create(true).append(true).open(errors).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_notebook"))
            .args(command)
            .arg("--data-dir")
            .arg(&self.plan.folder)
            .envs(self.plan.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.ready = Arc::default();
        let (ready, addresses) = (Arc::clone(&self.ready), Arc::clone(&self.addresses));
        let (place, role) = (self.place, self.plan.role);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(url) = line.strip_prefix(said) {
                    if role == Role::Server {
                        url.clone_into(&mut addresses.write()[place]);
                    }
                    ready.store(true, Ordering::SeqCst);
                }
            }
        });
        self.child = Some(child);
        self.ending = false;
    }

    /// Starts it when it is not there, wakes it when its time has come. An error when it ended though nobody told it to.
    pub fn tend(&mut self) -> Result<(), String> {
        if self.stopped_until.is_some_and(|until| until <= Instant::now()) {
            self.wake();
        }
        if let Some(child) = &mut self.child {
            let Some(status) = child.try_wait().unwrap() else { return Ok(()) };
            self.child = None;
            // One that finds no database at its start says so and ends.
            let strange = self.ready.load(Ordering::SeqCst) && !self.ending;
            self.again = Instant::now() + Duration::from_millis(200);
            if strange || (self.ending && !status.success()) {
                return Err(format!("{} ended by itself: {status}", self.plan.name));
            }
        }
        if self.child.is_none() && self.again <= Instant::now() {
            self.start();
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            // It may have ended meanwhile.
            let _ = kill_process(id, signal);
        }
    }

    /// kill -9; it comes back after a while.
    pub fn kill(&mut self, pause: Duration) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.stopped_until = None;
        self.again = Instant::now() + pause;
    }

    /// SIGTERM: it ends in order, and comes back.
    pub fn terminate(&mut self) {
        if self.is_ready() && !self.ending {
            self.ending = true;
            self.signal(Signal::TERM);
        }
    }

    /// Stands still for a while.
    pub fn stop(&mut self, during: Duration) {
        if self.child.is_some() {
            self.signal(Signal::STOP);
            self.stopped_until = Some(Instant::now() + during);
        }
    }

    pub fn wake(&mut self) {
        if self.stopped_until.take().is_some() {
            self.signal(Signal::CONT);
        }
    }

    /// The last lines that it wrote.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.plan.folder.with_extension("log"));
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("== {}\n{}\n", self.plan.name, lines[lines.len().saturating_sub(60)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill(Duration::ZERO);
    }
}
