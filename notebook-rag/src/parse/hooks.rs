//! Misbehaviour on demand, for the tests of the limits. Not in any released program.
#![allow(unsafe_code)] // Hostile code does not ask.

use std::io::Write;

/// Does what the first argument says. Reaching the end of a forbidden act is reported by
/// exit code 42.
pub(super) fn run() {
    let Some(hook) = std::env::args().nth(1) else { return };
    let done = match hook.as_str() {
        "open" => std::fs::File::open("/etc/passwd").is_ok(),
        "create" => std::fs::File::create("/tmp/notebook-parse-was-here").is_ok(),
        "socket" => std::net::TcpStream::connect("127.0.0.1:1").is_ok(),
        "udp" => std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
        "exec" => std::process::Command::new("/bin/true").status().is_ok(),
        // SAFETY: the child of the fork, if there is one, exits at once.
        "fork" => match unsafe { libc::fork() } {
            0 => std::process::exit(0),
            pid => pid > 0,
        },
        "thread" => std::thread::Builder::new().spawn(|| ()).is_ok(),
        // SAFETY: no pointers are involved.
        "ptrace" => (unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) }) == 0,
        // SAFETY: a signal to the parent; no memory is touched.
        "kill" => (unsafe { libc::kill(libc::getppid(), libc::SIGTERM) }) == 0,
        "allocate" => allocate(),
        "descriptors" => (3..256).any(is_open),
        "loop" => spin(),
        "sleep" => sleep(),
        "abort" => std::process::abort(),
        "overflow" => overflow(0) > 0,
        "flood" => flood(),
        "complain" => complain(),
        "garbage" => say(b"this is no reply at all"),
        "huge" => say(&[b"NBP1", u64::MAX.to_le_bytes().as_slice()].concat()),
        "liar" => liar(),
        _ => return,
    };
    std::process::exit(if done { 42 } else { 43 });
}

/// By a call that the sandbox lets through: what is no file cannot be sought in, which is another
/// error than that of a closed descriptor.
fn is_open(descriptor: i32) -> bool {
    // SAFETY: no pointers are involved.
    (unsafe { libc::lseek(descriptor, 0, libc::SEEK_CUR) }) >= 0
        || std::io::Error::last_os_error().raw_os_error() != Some(libc::EBADF)
}

fn allocate() -> bool {
    let block = vec![1_u8; 4 << 30];
    block.contains(&1)
}

fn spin() -> bool {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

fn sleep() -> bool {
    loop {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

#[allow(unconditional_recursion)]
fn overflow(n: u64) -> u64 {
    let block = std::hint::black_box([n; 512]);
    overflow(n + 1) + block.iter().sum::<u64>()
}

fn flood() -> bool {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(b"NBP1");
    let _ = out.write_all(&(1_u64 << 20).to_le_bytes());
    let block = [b' '; 65_536];
    while out.write_all(&block).is_ok() {}
    true
}

fn complain() -> bool {
    let block = [b'!'; 65_536];
    while std::io::stderr().write_all(&block).is_ok() {}
    true
}

fn say(bytes: &[u8]) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).is_ok()
}

/// A well-formed reply with spans outside its text.
fn liar() -> bool {
    let head = br#"{"parsed":{"kind":"text","document":{"text":"","title":null,"pages":[],"blocks":[{"kind":{"kind":"paragraph"},"span":{"start":0,"end":999}}],"flags":[]}}}"#;
    let head_len = (head.len() as u64).to_le_bytes();
    let text_len = 5_u64.to_le_bytes();
    say(&[b"NBP1".as_slice(), &head_len, head, &text_len, b"hello"].concat())
}
