//! G1: mail with links, by jobs, over a real SMTP server.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    common::{
        PATIENCE, Server, Setup, folder,
        people::{PASSWORD, Person, with_accounts},
    },
    notebook,
    smtp::{Answer, Mode, Smtp},
};

const ORIGIN: &str = "https://notebook.example.org";

fn setup(folder: &std::path::Path, url: &str) -> Setup {
    with_accounts(Setup::new(folder))
        .with("NOTEBOOK__AUTH__PUBLIC_URL", ORIGIN)
        .with("NOTEBOOK__MAIL__URL", url)
        .with("NOTEBOOK__MAIL__FROM", "Notebook <notebook@example.org>")
        .with("NOTEBOOK__MAIL__TIMEOUT_SECONDS", 2)
        .with("NOTEBOOK__SERVER__TRUSTED_PROXIES", "[\"127.0.0.1\"]")
}

fn plain(smtp: &Smtp) -> String {
    format!("smtp://127.0.0.1:{}?tls=none", smtp.address.port())
}

/// Asks from an address of its own, by whatever name of the server.
async fn forgot(server: &Server, email: &str, from: u8, host: &str) -> Response {
    server
        .http
        .post(format!("{}/api/auth/password/forgot", server.url))
        .header("x-forwarded-for", format!("198.51.100.{from}"))
        .header("x-forwarded-host", host)
        .header("host", host)
        .json(&json!({ "email": email }))
        .send()
        .await
        .unwrap()
}

/// A team workspace, in which its maker may see what became of jobs.
async fn in_team(owner: &Person) -> Person {
    let team = owner.made("/api/workspaces", json!({ "name": "Team" })).await;
    let body = json!({ "workspace": team["id"], "transport": "bearer" });
    let session = owner.made("/api/auth/workspace", body).await;
    Person { access: session["access_token"].as_str().unwrap().to_owned(), ..owner.clone() }
}

async fn until_dead(team: &Person) -> Value {
    let dead = team.until("/api/jobs/dead", |dead| !dead["items"].as_array().unwrap().is_empty());
    dead.await["items"][0].clone()
}

/// The link is for who has the address, leads where the configuration says, and is good once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_a_forgotten_password_is_set_by_a_mailed_link() {
    let data = folder();
    let smtp = Smtp::start(Mode::Plain, data.path()).await;
    let server = setup(data.path(), &plain(&smtp)).start();
    assert_eq!(server.json("/api/auth").await["password_reset"], true);
    Person::register(&server, "ada").await;
    let asked = forgot(&server, " ADA@example.org", 1, "evil.example").await;
    assert_eq!((asked.status().as_u16(), asked.text().await.unwrap().as_str()), (202, ""));
    let letter = smtp.received(1).await.remove(0);
    assert_eq!(letter.to, "ada@example.org");
    assert_eq!(letter.header("from"), "Notebook <notebook@example.org>");
    assert_eq!(letter.header("auto-submitted"), "auto-generated");
    assert!(!letter.text.contains("evil.example"), "{}", letter.text);
    let link = letter.link();
    let token = link.strip_prefix(&format!("{ORIGIN}/#reset=")).unwrap_or_else(|| panic!("{link}"));
    let set = |token: &str| json!({ "token": token, "password": "another horse battery" });
    assert_eq!(server.post("/api/auth/password/reset", set(token)).await.status(), 204);
    assert_eq!(server.post("/api/auth/password/reset", set(token)).await.status(), 404);
    let login = |password| json!({ "email": "ada@example.org", "password": password });
    assert_eq!(server.post("/api/auth/login", login("another horse battery")).await.status(), 200);
    assert_eq!(server.post("/api/auth/login", login(PASSWORD)).await.status(), 401);

    // Nobody, and what is no address: the same answer, about as soon, and no letter.
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..7 {
        for (who, email) in ["ada@example.org", "nobody@example.org"].iter().enumerate() {
            let begun = Instant::now();
            let asked = forgot(&server, email, 10 + turn, "localhost").await;
            times[who].push(begun.elapsed());
            assert_eq!((asked.status().as_u16(), asked.text().await.unwrap().as_str()), (202, ""));
        }
    }
    assert_eq!(forgot(&server, "nonsense", 30, "localhost").await.status(), 202);
    times.iter_mut().for_each(|times| times.sort());
    let [known, unknown] = times.map(|times| times[3].max(Duration::from_millis(2)));
    assert!(known < unknown * 4 && unknown < known * 4, "{known:?} and {unknown:?}");
    // Jobs are done in their order: when this one has come, those before it came or never will.
    Person::register(&server, "bob").await;
    forgot(&server, "bob@example.org", 40, "localhost").await;
    let deadline = Instant::now() + PATIENCE;
    while !smtp.letters().iter().any(|letter| letter.to == "bob@example.org") {
        assert!(Instant::now() < deadline, "no letter for bob");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(smtp.letters().iter().all(|letter| letter.to != "nobody@example.org"));
    // From one address only so often.
    let mut refused = 0;
    for _ in 0..30 {
        refused += usize::from(
            forgot(&server, "nobody@example.org", 99, "localhost").await.status() == 429,
        );
    }
    assert!(refused > 0);
}

/// A server that wants it later, or says nothing, is asked again with the same message; what it refuses for good is dead,
/// and can be sent again by hand. No job has the token in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_mail_is_tried_again_and_dead_when_refused() {
    let data = folder();
    let smtp = Smtp::start(Mode::Plain, data.path()).await;
    let server = setup(data.path(), &plain(&smtp)).start();
    let owner = Person::register(&server, "owner").await;
    let team = in_team(&owner).await;
    smtp.answers(&[Answer::Stall, Answer::Later, Answer::Take]);
    let body = json!({ "email": "bob@example.org", "role": "viewer" });
    let invited = team.made("/api/invitations", body).await;
    assert_eq!(invited["mailed"], true);
    let letters = smtp.received(2).await;
    assert_eq!(letters.iter().map(|letter| letter.taken).collect::<Vec<_>>(), [false, true]);
    assert_eq!(letters[0].header("message-id"), letters[1].header("message-id"));
    assert_eq!(letters[0].link(), letters[1].link());
    assert_eq!(smtp.connections(), 3);
    let token = invited["token"].as_str().unwrap();
    assert_eq!(letters[1].link(), format!("{ORIGIN}/#invitation={token}"));
    let bob = json!({ "email": "bob@example.org", "name": "Bob", "password": PASSWORD,
        "invitation": token });
    assert_eq!(server.post("/api/auth/register", bob).await.status(), 201);

    smtp.answers(&[Answer::Never]);
    let body = json!({ "email": "eve@example.org", "role": "viewer" });
    let invited = team.made("/api/invitations", body).await;
    let dead = until_dead(&team).await;
    assert_eq!(dead["kind"], "mail.invitation");
    assert_eq!(dead["payload"], json!({ "invitation": invited["invitation"]["id"] }));
    assert_eq!((&dead["attempt"], &dead["error"]["code"]), (&json!(1), &json!("invalid_input")));
    assert!(dead["error"]["message"].as_str().unwrap().contains("550"), "{dead}");
    assert!(!dead.to_string().contains("eve@"), "{dead}");
    team.made(&format!("/api/jobs/{}/retry", dead["id"].as_str().unwrap()), json!({})).await;
    let letters = smtp.received(3).await;
    assert_eq!(letters[2].to, "eve@example.org");
    // One that was taken back is not sent.
    smtp.answers(&[Answer::Stall]);
    let body = json!({ "email": "late@example.org", "role": "viewer" });
    let invited = team.made("/api/invitations", body).await;
    let path = format!("/api/invitations/{}", invited["invitation"]["id"].as_str().unwrap());
    assert_eq!(team.request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(smtp.letters().len(), 3, "it was open at the first try, and not at the next");
}

/// TLS from the first byte and by STARTTLS, with credentials; nothing is said in the clear, or to somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_mail_is_encrypted() {
    for (mode, scheme) in [(Mode::Tls, "smtps"), (Mode::StartTls, "smtp")] {
        let data = folder();
        let smtp = Smtp::start(mode, data.path()).await;
        let url = format!("{scheme}://user:p%40ss@localhost:{}", smtp.address.port());
        let server = setup(data.path(), &url)
            .with("NOTEBOOK__MAIL__EXTRA_ROOTS", format!("[\"{}\"]", smtp.authority.display()))
            .with("NOTEBOOK__MAIL__LANGUAGE", "de")
            .start();
        Person::register(&server, "ada").await;
        forgot(&server, "ada@example.org", 1, "localhost").await;
        let letter = smtp.received(1).await.remove(0);
        assert!(letter.encrypted, "{mode:?}");
        let credentials = STANDARD.decode(letter.credentials.as_deref().unwrap()).unwrap();
        assert_eq!(credentials, b"\0user\0p@ss");
        assert_eq!(letter.header("subject"), "Neues Passwort setzen");
        drop(server);
        // Who is not trusted is told nothing.
        let unknown = [
            ("NOTEBOOK__MAIL__URL", url.as_str()),
            ("NOTEBOOK__MAIL__FROM", "notebook@example.org"),
            ("NOTEBOOK__MAIL__TIMEOUT_SECONDS", "5"),
        ];
        let (good, said) = notebook(data.path(), &["doctor"], &unknown);
        assert!(!good && said.contains("✗ mail"), "{said}");
        assert!(!said.contains("p@ss") && !said.contains("p%40ss"), "{said}");
    }
    // A server without STARTTLS is told nothing either.
    let data = folder();
    let smtp = Smtp::start(Mode::Plain, data.path()).await;
    let url = format!("smtp://user:p%40ss@localhost:{}", smtp.address.port());
    let server = setup(data.path(), &url).start();
    let team = in_team(&Person::register(&server, "owner").await).await;
    team.made("/api/invitations", json!({ "email": "bob@example.org", "role": "viewer" })).await;
    let dead = until_dead(&team).await;
    assert!(dead["error"]["message"].as_str().unwrap().contains("STARTTLS"), "{dead}");
    assert!(smtp.letters().is_empty());
}

/// Without a mail server that is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_without_a_mail_server_nothing_is_promised() {
    let data = folder();
    let server = with_accounts(Setup::new(data.path())).start();
    assert_eq!(server.json("/api/auth").await.get("password_reset"), None);
    let asked = forgot(&server, "ada@example.org", 1, "localhost").await;
    assert_eq!(asked.status(), 404);
    assert!(asked.text().await.unwrap().contains("notebook user reset"));
    let team = in_team(&Person::register(&server, "owner").await).await;
    let body = json!({ "email": "bob@example.org", "role": "viewer" });
    assert_eq!(team.made("/api/invitations", body).await["mailed"], false);
    let missing = [
        ("NOTEBOOK__AUTH__MODE", "accounts"),
        ("NOTEBOOK__MAIL__URL", "smtp://mail.example.org?tls=maybe"),
    ];
    let (started, said) = notebook(data.path(), &["serve", "--port", "0"], &missing);
    assert!(!started);
    for part in
        ["mail.url knows ?tls=none alone", "mail.from is needed", "auth.public_url is needed"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}
