//! Processes that tell each other by a real Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/redis.rs"]
mod server;

use std::time::Duration;

use notebook_core::{
    ErrorKind,
    pubsub::{Heard, PubSub, Subscription, conformance},
    redis::{RedisConfig, RedisPubSub},
};
use server::RedisServer;

const PATIENCE: Duration = Duration::from_secs(30);

async fn open(server: &RedisServer) -> RedisPubSub {
    RedisPubSub::start(RedisConfig::new(server.url())).await.unwrap()
}

async fn next(subscription: &mut Subscription) -> Heard {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("something is heard").unwrap()
}

/// Until what is heard is `what`.
async fn until(subscription: &mut Subscription, what: &Heard) {
    while next(subscription).await != *what {}
}

/// Waits until it answers, or does not.
async fn until_up(pubsub: &RedisPubSub, up: bool) {
    let turned = async {
        while pubsub.check().await.is_ok() != up {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, turned).await.expect("it turns");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_conforms() {
    let server = RedisServer::start();
    let (here, there) = (open(&server).await, open(&server).await);
    conformance::run_all(&here, &there).await;
}

/// Q37, E5: Redis is killed and comes back. Everyone knows of it at once, hears of it again and again while it lasts,
/// and is told when it is over; then all is as before.
#[tokio::test(flavor = "multi_thread")]
async fn e5_a_restart_is_told_and_survived() {
    let mut server = RedisServer::start();
    let (here, there) = (open(&server).await, open(&server).await);
    conformance::run_all(&here, &there).await;
    for _ in 0..2 {
        let mut heard = there.subscribe("anything");
        server.kill();
        until_up(&here, false).await;
        until_up(&there, false).await;
        assert_eq!(next(&mut heard).await, Heard::Missed);
        assert_eq!(here.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
        // To publish is no error, and what was said into the void does not come late.
        here.publish("anything", "lost").unwrap();
        for _ in 0..3 {
            assert_eq!(next(&mut heard).await, Heard::Missed);
        }
        server.restart();
        until_up(&here, true).await;
        until_up(&there, true).await;
        here.publish("anything", "back").unwrap();
        loop {
            match next(&mut heard).await {
                Heard::Missed => {}
                Heard::Message(message) => break assert_eq!(&*message, "back"),
            }
        }
        conformance::run_all(&here, &there).await;
    }
}

/// Only the publisher's connection breaks: it lost messages, and those who hear are told.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_publisher_loses_is_told_to_the_others() {
    let server = RedisServer::start();
    let here = open(&server).await;
    let ids = server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]);
    let id = ids.split("id=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let there = open(&server).await;
    let mut heard = there.subscribe("anything");
    // Whoever comes is refused for a while; who is there stays.
    let mut admin = server.connect();
    assert_eq!(admin.ask("CONFIG SET maxclients 2"), "+OK");
    assert_eq!(admin.ask(&format!("CLIENT KILL ID {id}")), ":1");
    until_up(&here, false).await;
    here.publish("anything", "lost").unwrap();
    assert_eq!(admin.ask("CONFIG SET maxclients 100"), "+OK");
    until_up(&here, true).await;
    until(&mut heard, &Heard::Missed).await;
    assert!(there.check().await.is_ok(), "its own connection stood all the time");
    here.publish("anything", "back").unwrap();
    until(&mut heard, &Heard::Message("back".into())).await;
}

/// Two deployments on one Redis hear nothing of each other.
#[tokio::test(flavor = "multi_thread")]
async fn channels_keep_deployments_apart() {
    let server = RedisServer::start();
    let ours = open(&server).await;
    let mut config = RedisConfig::new(server.url());
    config.channel = "other:notebook".to_owned();
    let theirs = RedisPubSub::start(config).await.unwrap();
    let mut heard = ours.subscribe("a");
    theirs.publish("a", "theirs").unwrap();
    let mut own = theirs.subscribe("a");
    theirs.publish("a", "theirs again").unwrap();
    until(&mut own, &Heard::Message("theirs again".into())).await;
    // Redis has handed out all of theirs by now; ours is the next that can come.
    ours.publish("a", "ours").unwrap();
    loop {
        match next(&mut heard).await {
            Heard::Missed => {}
            Heard::Message(message) => break assert_eq!(&*message, "ours"),
        }
    }
}

/// A subscriber that does not read costs a bounded number of messages, and is told that it missed some; others hear all.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_is_told_and_holds_nobody_up() {
    let server = RedisServer::start();
    let (here, there) = (open(&server).await, open(&server).await);
    let (mut slow, mut quick) = (there.subscribe("a"), there.subscribe("a"));
    until_up(&here, true).await;
    for number in 0..3_000 {
        here.publish("a", &number.to_string()).unwrap();
        until(&mut quick, &Heard::Message(number.to_string().into())).await;
    }
    let mut kept = 0;
    let mut missed = 0;
    while let Ok(Some(heard)) = tokio::time::timeout(Duration::from_millis(200), slow.next()).await
    {
        match heard {
            Heard::Missed => missed += 1,
            Heard::Message(_) => kept += 1,
        }
    }
    assert!(missed > 0 && kept > 0 && kept < 2_000, "{missed} {kept}");
}

/// A wrong password, or none, is said at once and in words; it never appears itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_an_error_that_says_so() {
    let server = RedisServer::start_with(Some("right-one"));
    assert!(open(&server).await.check().await.is_ok());
    for url in [
        server.url().replace("right-one", "hunter2-wrong"),
        server.url().replace(":right-one@", ""),
    ] {
        let error = RedisPubSub::start(RedisConfig::new(url)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
        assert!(error.context("fix").unwrap().contains("password"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_no_redis_is_refused() {
    for (url, channel, field) in [
        ("http://127.0.0.1:1/?token=hunter2", "notebook", "url"),
        ("hunter2", "notebook", "url"),
        ("redis://127.0.0.1:1", "two words", "channel"),
        ("redis://127.0.0.1:1", "", "channel"),
    ] {
        let mut config = RedisConfig::new(url);
        config.channel = channel.to_owned();
        let error = RedisPubSub::start(config).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

/// A Redis that is away at the start is no reason not to start.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_comes_later_is_found() {
    let mut server = RedisServer::start();
    server.kill();
    let here = open(&server).await;
    let error = here.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.context("fix").is_some(), "{error}");
    server.restart();
    until_up(&here, true).await;
    conformance::run_all(&here, &here).await;
}
