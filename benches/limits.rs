//! What counting a request costs in memory: the step behind the port, with its key, for a user and a workspace, and
//! through the layers that processes with a shared store have. Beside it `governor`'s keyed limiter, which is the
//! same algorithm without a bound on keys and for one process.
//!
//! `cargo bench --bench limits [seconds a round]`. 10,000 keys, in an order that looks random; one thread, and two.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use governor::{DefaultKeyedRateLimiter, Quota};
use notebook_core::{
    clock::SystemClock,
    rate_limit::{
        Key, Policy, RateLimits, Subject, Want, ahead::Ahead, fallback::Fallback,
        memory::MemoryRateLimits,
    },
};

const KEYS: u32 = 10_000;
const ROUNDS: usize = 5;
/// How many are counted between two looks at the clock.
const BATCH: u32 = 1_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds = arguments.next().map_or(Ok(1.0), |text| text.parse())?;
    let round = Duration::from_secs_f64(seconds);
    // Most are allowed: a key comes back some hundred times a second at most.
    let policy = Policy::new(1_000, Duration::from_secs(1), None)?;
    let names = ["governor", "key and take", "by the port, twice", "with both layers"];
    for threads in [1, 2] {
        let mut results = vec![Vec::new(); names.len()];
        for _ in 0..ROUNDS {
            for (all, one) in results.iter_mut().zip(measure_all(&policy, threads, round)?) {
                all.push(one);
            }
        }
        let medians: Vec<_> = results.into_iter().map(median).collect();
        for (name, nanos) in names.iter().zip(&medians) {
            println!(
                "{threads} thread(s): {name}: {nanos:.0} ns a request, {:.2}x of governor",
                nanos / medians[0]
            );
        }
    }
    Ok(())
}

fn measure_all(policy: &Policy, threads: u32, round: Duration) -> Outcome<[f64; 4]> {
    let clock = Arc::new(SystemClock);
    let quota = NonZeroU32::new(policy.quota()).ok_or("quota")?;
    let peer: DefaultKeyedRateLimiter<IpAddr> =
        DefaultKeyedRateLimiter::keyed(Quota::per_second(quota));
    let memory = Arc::new(MemoryRateLimits::new(clock.clone()));
    let ahead = Arc::new(Ahead::new(memory.clone(), clock.clone()));
    let layers: Arc<dyn RateLimits> =
        Arc::new(Fallback::new(ahead, memory.clone(), clock, Duration::from_secs(1)));
    let port: Arc<dyn RateLimits> = memory.clone();
    let key = |class, i| Key::new(class, &Subject::Address(address(i)));
    Ok([
        measure(threads, round, |i| peer.check_key(&address(i)).is_ok()),
        measure(threads, round, |i| {
            memory.take_now(key("one", i), policy, Want::of(1)).is_ok_and(|said| said.allowed)
        }),
        measure(threads, round, |i| {
            // As a request of a user who is in a workspace.
            let twice = async {
                let own = port.take(key("own", i), policy, Want::of(1)).await;
                let all = port.take(key("all", i), policy, Want::of(1)).await;
                own.is_ok_and(|said| said.allowed) & all.is_ok_and(|said| said.allowed)
            };
            futures::executor::block_on(twice)
        }),
        runtime()?.block_on(async {
            measure(threads, round, |i| {
                let take = layers.take(key("layers", i), policy, Want::of(1));
                futures::executor::block_on(take).is_ok_and(|said| said.allowed)
            })
        }),
    ])
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

fn address(i: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(i.wrapping_mul(0x9e37_79b1) % KEYS))
}

/// Nanoseconds a request.
fn measure(threads: u32, round: Duration, take: impl Fn(u32) -> bool + Sync) -> f64 {
    let started = Instant::now();
    let handle = tokio::runtime::Handle::try_current().ok();
    let done: u64 = std::thread::scope(|scope| {
        let work = |thread: u32| {
            let (take, handle) = (&take, handle.clone());
            scope.spawn(move || {
                // Timers of the layers need a runtime.
                let _inside = handle.as_ref().map(tokio::runtime::Handle::enter);
                let (mut i, mut done) = (thread << 24, 0_u64);
                while started.elapsed() < round {
                    for _ in 0..BATCH {
                        black_box(take(i));
                        i = i.wrapping_add(1);
                    }
                    done += u64::from(BATCH);
                }
                done
            })
        };
        let workers: Vec<_> = (0..threads).map(work).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(0)).sum()
    });
    started.elapsed().as_nanos() as f64 * f64::from(threads) / done as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
