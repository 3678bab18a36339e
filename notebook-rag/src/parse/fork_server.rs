//! A process that forks a child for each file.
//!
//! To start a program costs more than to parse a page: it is loaded, linked and initialised each
//! time. So it is started once, and forks. It never looks into a file; its children limit
//! themselves before they do.
//!
//! The parent passes each job over a socket: the request, and four descriptors (the file, where the
//! reply goes, where complaints go, and the job's own socket). The server answers on that one
//! with the child's wait status, and kills the child when the parent closes its side of it. When the
//! parent is gone, so are the server and its children.
#![allow(unsafe_code)] // `fork` has no safe interface; see there.

use std::{
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal,
        set_parent_process_death_signal, waitpid,
    },
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};

/// The longest request: names and limits are bounded, and JSON escapes them.
const MAX_REQUEST: usize = 64 * 1024;
/// Descriptors that come with a request.
const DESCRIPTORS: usize = 4;

/// What a child gets.
pub(super) struct Job {
    pub(super) file: OwnedFd,
    pub(super) reply: OwnedFd,
    pub(super) complaints: OwnedFd,
    /// The server's side of the job's socket.
    pub(super) control: OwnedFd,
}

/// Passes a job to the server at the other end of `socket`. Fails with `WouldBlock` when the
/// server is behind.
pub(super) fn send(socket: impl AsFd, request: &[u8], job: &Job) -> io::Result<()> {
    if request.len() > MAX_REQUEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let descriptors =
        [job.file.as_fd(), job.reply.as_fd(), job.complaints.as_fd(), job.control.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(socket, &[IoSlice::new(request)], &mut ancillary, flags)?;
    Ok(())
}

/// A child that runs.
struct Running {
    pid: Pid,
    exit: OwnedFd,
    control: UnixStream,
    killed: bool,
}

/// Closes all but the standard streams: what the server was started with, by a shell perhaps, is not for
/// its children. To be called before anything is opened.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor above 2 yet.
    if unsafe { libc::close_range(3, libc::c_uint::MAX, 0) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Serves jobs until the parent is gone (`None`), or returns the request in the child of a job, whose
/// standard streams are the job's and which has no other descriptor.
///
/// Only for a process with one thread.
pub(super) fn serve(socket: OwnedFd) -> io::Result<Option<Vec<u8>>> {
    let mut running: Vec<Running> = Vec::new();
    loop {
        let mut polled = vec![PollFd::new(&socket, PollFlags::IN)];
        for child in &running {
            polled.push(PollFd::new(&child.exit, PollFlags::IN));
            // Once it is killed, its end is all there is to wait for: a closed socket is ready for ever.
            let next = if child.killed { child.exit.as_fd() } else { child.control.as_fd() };
            polled.push(PollFd::from_borrowed_fd(next, PollFlags::IN));
        }
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result?,
        };
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(polled);
        let (of_socket, of_children) = ready.split_first().unwrap_or((&false, &[]));
        let mut at = of_children.chunks(2);
        running.retain_mut(|child| match at.next() {
            Some([true, _]) => !child.reap(),
            Some([_, true]) => {
                child.kill();
                true
            }
            _ => true,
        });
        if *of_socket {
            let Some((request, job)) = receive(&socket)? else { return Ok(None) };
            let Some(job) = job else { continue };
            // SAFETY: this process has one thread, so no lock is held by one that the child lacks.
            match unsafe { libc::fork() } {
                0 => {
                    drop((socket, running));
                    enter(job)?;
                    return Ok(Some(request));
                }
                // Its control socket closes: the parent sees that there is no child.
                ..0 => {}
                pid => running.extend(Running::of(pid, job.control)),
            }
        }
    }
}

impl Running {
    fn of(pid: i32, control: OwnedFd) -> Option<Self> {
        let pid = Pid::from_raw(pid)?;
        let exit = pidfd_open(pid, PidfdFlags::empty()).ok();
        let Some(exit) = exit else {
            // A child that could not be watched must not run.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
            return None;
        };
        Some(Self { pid, exit, control: control.into(), killed: false })
    }

    fn kill(&mut self) {
        self.killed = true;
        let _ = pidfd_send_signal(&self.exit, Signal::KILL);
    }

    /// Reports the child's end. False if it did not end.
    fn reap(&mut self) -> bool {
        match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => {
                // A parent that is not there any more needs no answer.
                let _ = self.control.write_all(&status.as_raw().to_le_bytes());
                true
            }
            Ok(None) => false,
            Err(_) => true,
        }
    }
}

/// The next request; `None` when the parent is gone. A message without its descriptors is no job.
fn receive(socket: &OwnedFd) -> io::Result<Option<(Vec<u8>, Option<Job>)>> {
    let mut request = vec![0; MAX_REQUEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut request)];
    let received = loop {
        match recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    request.truncate(received.bytes);
    let job = <[OwnedFd; DESCRIPTORS]>::try_from(descriptors).ok();
    let job =
        job.map(|[file, reply, complaints, control]| Job { file, reply, complaints, control });
    Ok(Some((request, job)))
}

/// Makes the job's descriptors the standard streams, and closes them as such.
fn enter(job: Job) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    dup2_stdin(&job.file)?;
    dup2_stdout(&job.reply)?;
    dup2_stderr(&job.complaints)?;
    Ok(())
}
