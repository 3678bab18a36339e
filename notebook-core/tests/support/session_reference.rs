//! The rules of refresh tokens once more, as plainly as can be: the reference that the real ones are compared with.
//! Times are seconds. It is written from the table of rules, not from the code.

/// What is believed about a session.
#[derive(Debug, Clone)]
pub struct Model {
    pub dead: bool,
    pub newest: u32,
    pub made: i64,
    pub recovered: Option<i64>,
    pub access_seen: Vec<u32>,
    pub refresh_seen: Vec<u32>,
    pub replays: u32,
    pub last_crash: Option<i64>,
    pub idle_until: i64,
    pub ends: i64,
    pub expired: bool,
    pub user_is_off: bool,
    pub signed_out_everywhere: bool,
}

/// The settings, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub grace: i64,
    pub coalesce: i64,
    pub recovery: i64,
    pub crashed: bool,
    pub cap: u32,
    pub idle: i64,
    pub absolute: i64,
}

impl Model {
    pub fn new(now: i64, s: &Settings) -> Self {
        Self {
            dead: false,
            newest: 0,
            made: now,
            recovered: None,
            access_seen: vec![],
            refresh_seen: vec![],
            replays: 0,
            last_crash: None,
            idle_until: now + s.idle,
            ends: now + s.absolute,
            expired: false,
            user_is_off: false,
            signed_out_everywhere: false,
        }
    }

    /// Presents generation `g`; the name of the rule that applies.
    pub fn present(&mut self, g: u32, right_binding: bool, now: i64, s: &Settings) -> &'static str {
        if self.dead {
            return "X1";
        }
        if self.expired || now >= self.ends || now >= self.idle_until {
            self.expired = true;
            return "X2";
        }
        let revoke = |model: &mut Self, rule| {
            model.dead = true;
            rule
        };
        if self.user_is_off || self.signed_out_everywhere {
            return revoke(self, "X3");
        }
        if !right_binding {
            return revoke(self, "X4");
        }
        let ages = [Some(self.made), self.recovered];
        let youngest = ages.into_iter().flatten().map(|at| now - at).min().unwrap();
        if g == self.newest {
            self.refresh_seen.push(g);
            if youngest < s.coalesce {
                return "X5b";
            }
            self.newest += 1;
            self.made = now;
            self.recovered = None;
            self.replays = 0;
            self.idle_until = (now + s.idle).max(self.idle_until).min(self.ends);
            return "X5";
        }
        if g > self.newest {
            return revoke(self, "X11");
        }
        if g + 1 < self.newest {
            return revoke(self, "X10");
        }
        if s.grace > 0 && youngest <= s.grace {
            if self.replays >= s.cap {
                return "X13";
            }
            self.replays += 1;
            return "X7";
        }
        let refresh_used = self.refresh_seen.contains(&self.newest);
        let used = refresh_used || self.access_seen.contains(&self.newest);
        let in_time = s.recovery > 0 && now - self.made <= s.recovery;
        if in_time && !used {
            self.recovered = Some(now);
            return "X8";
        }
        let rested = self.last_crash.is_none_or(|last| now - last >= 86_400);
        if in_time && s.crashed && !refresh_used && rested {
            self.recovered = Some(now);
            self.last_crash = Some(now);
            return "X8b";
        }
        revoke(self, "X9")
    }

    /// An access token of generation `g` is seen.
    pub fn use_access(&mut self, g: u32) {
        if !self.dead && !self.expired && g <= self.newest {
            self.access_seen.push(g);
        }
    }
}
