//! Servers and workers on one database, and everything that can happen to them.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    audit::Audit,
    cluster::Cluster,
    dice::Dice,
    ledger::Counts,
    process::{Addresses, Plan, Process, Role},
    provider::{Provider, Script},
    proxy::Proxy,
};

/// After how long a silent worker is thought dead.
pub const LEASE: Duration = Duration::from_secs(2);

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Sqlite,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// A provider that takes a second or two, and says something else each time.
    Slow,
    Extractive,
}

pub struct House {
    pub addresses: Addresses,
    pub audit: Audit,
    processes: Vec<Process>,
    proxies: Vec<Proxy>,
    /// Until when a proxy holds everything back.
    held: Vec<Option<Instant>>,
    cluster: Option<Cluster>,
    /// Until when the database is away.
    away: Option<Instant>,
    _provider: Provider,
    folder: tempfile::TempDir,
    /// When processes were killed or stopped, in milliseconds since 1970.
    pub blows: Vec<i64>,
    pub strange: Vec<String>,
    pub history: Vec<String>,
    begun: Instant,
}

impl House {
    pub async fn new(engine: Engine, model: Model) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words =
            ["The heron ", "waits ", "by ", "the pond", " [1]. ", "It ", "eats ", "frogs", " [1]."];
        let provider = Provider::start(Script::paced(&words, 120).numbered()).await;
        let addresses = Addresses::default();
        let cluster = (engine == Engine::Postgres).then(Cluster::start);
        let mut house = Self {
            addresses,
            audit: Audit::none(),
            processes: Vec::new(),
            proxies: Vec::new(),
            held: Vec::new(),
            cluster,
            away: None,
            _provider: provider,
            folder,
            blows: Vec::new(),
            strange: Vec::new(),
            history: Vec::new(),
            begun: Instant::now(),
        };
        let plans: &[_] = match engine {
            Engine::Postgres => &[("a", Role::Server), ("b", Role::Server), ("w", Role::Worker)],
            Engine::Sqlite => &[("a", Role::Server)],
        };
        for (name, role) in plans {
            house.add(name, *role, model).await;
        }
        house.until_ready().await;
        house.begin_audit(engine).await;
        house
    }

    async fn add(&mut self, name: &str, role: Role, model: Model) {
        let root = self.folder.path();
        let mut environment = environment(&self._provider, model);
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        if let Some(cluster) = &self.cluster {
            let proxy = Proxy::start(cluster.socket()).await;
            set("NOTEBOOK__STORAGE__POSTGRES", proxy.url());
            set("NOTEBOOK__STORAGE__BLOBS", root.join("blobs").display().to_string());
            self.proxies.push(proxy);
            self.held.push(None);
        }
        let (name, folder) = (name.to_owned(), root.join(name));
        let plan = Plan { name, role, folder, environment };
        self.processes.push(Process::new(plan, self.addresses.clone()));
    }

    async fn begin_audit(&mut self, engine: Engine) {
        match engine {
            Engine::Postgres => {
                let cluster = self.cluster.as_ref().unwrap();
                self.audit = Audit::in_cluster(cluster);
            }
            Engine::Sqlite => {
                // The file is touched while nobody has it open.
                for process in &mut self.processes {
                    process.terminate();
                }
                let deadline = Instant::now() + crate::PATIENCE;
                while self.processes.iter().any(Process::is_ready) {
                    assert!(Instant::now() < deadline, "the server does not end");
                    self.tend();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                let file = self.folder.path().join("a/notebook.db");
                for process in &mut self.processes {
                    process.kill(Duration::ZERO);
                }
                self.audit = Audit::in_file(&file);
                self.until_ready().await;
            }
        }
    }

    /// The changes that the database noted.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts what has ended and wakes what has slept long enough.
    pub fn tend(&mut self) {
        for process in &mut self.processes {
            if let Err(strange) = process.tend() {
                self.strange.push(strange);
            }
        }
        for (proxy, held) in self.proxies.iter().zip(&mut self.held) {
            if held.is_some_and(|until| until <= Instant::now()) {
                *held = None;
                proxy.pass();
            }
        }
        if self.away.is_some_and(|until| until <= Instant::now()) {
            self.rise();
        }
    }

    fn rise(&mut self) {
        if let (Some(_), Some(cluster)) = (self.away.take(), &mut self.cluster) {
            tokio::task::block_in_place(|| cluster.rise());
        }
    }

    async fn until_ready(&mut self) {
        let deadline = Instant::now() + crate::PATIENCE;
        loop {
            self.tend();
            if self.processes.iter().all(Process::is_ready) {
                return;
            }
            assert!(Instant::now() < deadline, "not all processes start\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn note(&mut self, what: String) {
        let at = self.begun.elapsed().as_millis();
        self.history.push(format!("{at:>7} ms  {what}"));
    }

    fn blow(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.blows.push(i64::try_from(now.as_millis()).unwrap());
    }

    /// kill -9 of one of them, which comes back soon.
    pub fn kill(&mut self, dice: &mut Dice, counts: &mut Counts) {
        let index = usize::try_from(dice.roll(self.processes.len() as u64)).unwrap();
        let pause = Duration::from_millis(dice.roll(500));
        self.note(format!("kill -9 {}, back after {pause:?}", self.processes[index].name()));
        self.processes[index].kill(pause);
        self.blow();
        counts.kills += 1;
    }

    /// Something bad.
    pub fn fault(&mut self, dice: &mut Dice, counts: &mut Counts) {
        let index = usize::try_from(dice.roll(self.processes.len() as u64)).unwrap();
        let millis = |dice: &mut Dice, from: u64, to: u64| {
            Duration::from_millis(from + dice.roll(to - from))
        };
        let sides = if self.cluster.is_some() { 20 } else { 10 };
        let name = self.processes[index].name().to_owned();
        match dice.roll(sides) {
            0..=5 => self.kill(dice, counts),
            6..=7 => {
                let during = LEASE + millis(dice, 500, 3_000);
                self.note(format!("SIGSTOP {name} for {during:?}"));
                self.processes[index].stop(during);
                self.blow();
                counts.stops += 1;
            }
            8..=9 => {
                self.note(format!("SIGTERM {name}"));
                self.processes[index].terminate();
                counts.terminations += 1;
            }
            10..=12 => {
                let during = millis(dice, 500, 4_000);
                self.note(format!("the network of {name} stands still for {during:?}"));
                self.proxies[index].hold();
                self.held[index] = Some(Instant::now() + during);
                counts.holds += 1;
            }
            13..=15 => {
                self.note(format!("the connections of {name} are lost without a word"));
                self.proxies[index].lose();
                counts.losses += 1;
            }
            16..=17 => {
                self.note(format!("the connections of {name} are cut"));
                self.proxies[index].cut();
                counts.cuts += 1;
            }
            // One that is away cannot be hurt.
            _ if self.away.is_some() => {}
            _ => {
                let away = millis(dice, 1_500, 5_000);
                self.database(dice.roll(4), away, counts);
            }
        }
    }

    fn database(&mut self, which: u64, away: Duration, counts: &mut Counts) {
        let what = ["restarted", "crashed", "one of its processes killed", "away"];
        self.note(format!("PostgreSQL: {} ({away:?})", what[usize::try_from(which).unwrap()]));
        let cluster = self.cluster.as_mut().unwrap();
        match which {
            3 => {
                tokio::task::block_in_place(|| cluster.die());
                self.away = Some(Instant::now() + away);
                counts.outages += 1;
            }
            0 => {
                tokio::task::block_in_place(|| cluster.restart());
                counts.restarts += 1;
            }
            1 => {
                tokio::task::block_in_place(|| cluster.crash());
                counts.crashes += 1;
            }
            _ => {
                tokio::task::block_in_place(|| cluster.kill_a_backend());
                counts.crashes += 1;
            }
        }
    }

    /// Everything works again.
    pub async fn heal(&mut self) {
        self.note("healed".to_owned());
        self.rise();
        for (proxy, held) in self.proxies.iter().zip(&mut self.held) {
            *held = None;
            proxy.pass();
            proxy.cut();
        }
        for process in &mut self.processes {
            process.wake();
        }
        self.until_ready().await;
    }

    pub fn logs(&self) -> String {
        self.processes.iter().map(Process::log).collect()
    }
}

fn environment(provider: &Provider, model: Model) -> Vec<(String, String)> {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all = vec![
        set("NOTEBOOK__EMBEDDING__PROVIDER", "none"),
        set("NOTEBOOK__JOBS__LEASE_SECONDS", &LEASE.as_secs().to_string()),
        set("NOTEBOOK__STORAGE__CONNECTIONS", "6"),
        set("NOTEBOOK__STORAGE__STATEMENT_SECONDS", "2"),
        set("RUST_LOG", "warn"),
    ];
    match model {
        Model::Extractive => all.push(set("NOTEBOOK__CHAT__PROVIDER", "extractive")),
        Model::Slow => all.extend([
            set("NOTEBOOK__CHAT__PROVIDER", "openai"),
            set("NOTEBOOK__CHAT__OPENAI__BASE_URL", &format!("{}/v1", provider.url)),
            set("NOTEBOOK__CHAT__OPENAI__MODEL", "test"),
        ]),
    }
    all
}
