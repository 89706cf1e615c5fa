//! Clients that are slow, greedy, confused or up to something: each gets a refusal or an end, in time, and the others
//! notice nothing.

use std::time::{Duration, Instant};

use tokenward::http::Limits;

use super::{Client, DEADLINE, WHOAMI, get, listener, until};

fn post(headers: &str, body: &str) -> String {
    format!("POST /body HTTP/1.1\r\nHost: here\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let listener = listener(Limits::default()).await;
    let length = "Content-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let smuggled = get("/smuggled");
    let with = |headers: String| format!("GET / HTTP/1.1\r\nHost: here\r\n{headers}\r\n");
    let cases = [
        post(&format!("{length}{length}"), &format!("hello{smuggled}")),
        post(&format!("{length}Content-Length: 6\r\n"), "hello!"),
        post(
            &format!("{length}{chunked}"),
            &format!("0\r\n\r\n{smuggled}"),
        ),
        post(&format!("{chunked}{length}"), "0\r\n\r\n"),
        post(&format!("{chunked}{chunked}"), "0\r\n\r\n"),
        post("Content-Length: 5, 5\r\n", "hello"),
        post("Content-Length: +5\r\n", "hello"),
        post("Content-Length: 0x5\r\n", "hello"),
        post("Content-Length : 5\r\n", "hello"),
        post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
        with("Host: there\r\n".to_owned()),
        with("Authorization: Token\r\n a\r\n".to_owned()),
        with("Authorization: Token a\x01\r\n".to_owned()),
        with("Authorization: Token a\x00\r\n".to_owned()),
        with("Authorization: Token a\rb\r\n".to_owned()),
        with("Authorization: Token a\x7f\r\n".to_owned()),
        with("Authori zation: Token a\r\n".to_owned()),
        with(": Token a\r\n".to_owned()),
        with("no colon\r\n".to_owned()),
        "GET / HTTP/1.1\r\n Host: here\r\n\r\n".to_owned(),
        "GET / HTTP/3.0\r\n\r\n".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        "GET  / HTTP/1.1\r\n\r\n".to_owned(),
        "G\x00T / HTTP/1.1\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03 this is TLS\r\n\r\n".to_owned(),
    ];
    for case in cases {
        let mut client = Client::to(&listener).await;
        client.send(&case).await;
        let answer = client.answer().await;
        let answer = answer.unwrap_or_else(|| panic!("no answer to {case:?}"));
        assert!(
            (400..500).contains(&answer.status),
            "{} to {case:?}",
            answer.status
        );
        assert!(client.closed().await);
        // The same a byte at a time.
        let mut client = Client::to(&listener).await;
        let _ = client.stream.set_nodelay(true);
        for byte in case.as_bytes() {
            client.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        let answer = client.answer().await;
        let answer = answer.unwrap_or_else(|| panic!("no answer, bytewise, to {case:?}"));
        assert!(
            (400..500).contains(&answer.status),
            "{} to {case:?}",
            answer.status
        );
        assert!(client.closed().await);
    }
    let served = listener.feed().take().lines;
    assert!(
        served.iter().all(|line| !line.path.contains("smuggled")),
        "{served:?}"
    );
    until("all are gone", || listener.connections() == 0).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let listener = listener(Limits::default()).await;
    let head = |size: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: here\r\nX-Filler: \r\n\r\n".len();
        format!(
            "GET / HTTP/1.1\r\nHost: here\r\nX-Filler: {}\r\n\r\n",
            "x".repeat(size - rest)
        )
    };
    let line = |size: usize| {
        let rest = "GET / HTTP/1.1".len();
        format!(
            "GET /{} HTTP/1.1\r\nHost: here\r\n\r\n",
            "x".repeat(size - rest)
        )
    };
    let body = "x".repeat(Limits::default().body_bytes + 1);
    let many = (0..200).fold(String::new(), |all, nth| format!("{all}X-{nth}: y\r\n"));
    let many = format!("GET / HTTP/1.1\r\nHost: here\r\n{many}\r\n");
    for (request, good, name) in [
        (head(8_191), true, "a head of 8,191"),
        (head(8_192), false, "a head of 8,192"),
        (head(8_193), false, "a head of 8,193"),
        (head(100_000), false, "a head of 100,000"),
        (line(4_095), true, "a line of 4,095"),
        (line(4_096), false, "a line of 4,096"),
        (line(70_000), false, "a line of 70,000"),
        (many, false, "200 headers"),
        ("x".repeat(1_000_000), false, "a line without an end"),
        (
            post(&format!("Content-Length: {}\r\n", body.len()), &body),
            false,
            "a body",
        ),
    ] {
        let mut client = Client::to(&listener).await;
        client.send(&request).await;
        let answer = client.answer().await;
        let answer = answer.unwrap_or_else(|| panic!("no answer to {name}"));
        assert_eq!(answer.status == 200, good, "{name}: {}", answer.status);
        assert!(
            good || (400..500).contains(&answer.status),
            "{name}: {}",
            answer.status
        );
        assert!(good || client.closed().await, "{name}");
    }
}

/// Limits that a test can wait for.
fn short() -> Limits {
    let short = Duration::from_millis(300);
    Limits {
        header_time: short,
        body_time: short,
        request_time: Duration::from_secs(1),
        idle_time: Duration::from_secs(1),
        ..Limits::default()
    }
}

#[tokio::test]
async fn who_is_slow_is_ended_and_nobody_waits_for_him() {
    let listener = listener(short()).await;
    let mut started = Vec::new();
    for begun in [
        "",
        "G",
        "PRI * HT",
        "GET / HTTP/1.1\r\nHo",
        "GET / HTTP/1.1\r\nHost: here\r\n",
    ] {
        let mut client = Client::to(&listener).await;
        client.send(begun).await;
        started.push((begun, client));
    }
    // One who sends a byte now and then is as slow.
    let mut dripping = Client::to(&listener).await;
    let begun = Instant::now();
    let drip = async {
        while begun.elapsed() < DEADLINE {
            dripping.send("x").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if dripping
                .stream
                .try_read(&mut [0; 256])
                .is_ok_and(|read| read > 0)
            {
                return true;
            }
        }
        false
    };
    assert!(drip.await, "the slow loris is refused");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let mut polite = Client::to(&listener).await;
    assert_eq!(polite.get("/").await.unwrap().body, WHOAMI);
    for (begun, mut client) in started {
        let answer = client.answer().await.map(|answer| answer.status);
        let expected = if begun.is_empty() { None } else { Some(400) };
        assert_eq!(answer, expected, "{begun:?}");
        assert!(client.closed().await, "{begun:?}");
    }
    until("all are gone", || listener.connections() == 0).await;
}

#[tokio::test]
async fn a_slow_body_and_a_slow_answer_have_an_end() {
    let listener = listener(short()).await;
    let mut client = Client::to(&listener).await;
    client.send(post("Content-Length: 5\r\n", "he")).await;
    assert_eq!(client.answer().await.unwrap().status, 408);
    assert!(client.closed().await);
    let mut client = Client::to(&listener).await;
    let answer = client.get("/never").await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.has("retry-after: 1"), "{}", answer.head);
    assert_eq!(
        client.get("/").await.unwrap().status,
        200,
        "the connection is good"
    );
}

#[tokio::test]
async fn who_does_not_read_is_ended() {
    let listener = listener(short()).await;
    let client = Client::to(&listener).await;
    // Requests without end, whose answers nobody takes: the buffers fill on both sides.
    let many = get("/").repeat(1_000);
    let flood = async {
        while client.stream.try_write(many.as_bytes()).is_ok()
            || client.stream.writable().await.is_ok()
        {
            if listener.connections() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ended = tokio::time::timeout(DEADLINE, async {
        tokio::join!(flood, until("it is ended", || listener.connections() == 0))
    });
    assert!(ended.await.is_ok());
}

#[tokio::test]
async fn garbage_after_the_preface_of_http_2_is_no_danger() {
    let listener = listener(short()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    let headers_without_end =
        b"\x00\x00\x05\x01\x00\x00\x00\x00\x01\x82\x86\x84\x41\x00".as_slice();
    for rest in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0xff; 100],
        b"",
        b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        headers_without_end,
    ] {
        let mut client = Client::to(&listener).await;
        client.send([preface, rest].concat()).await;
        assert!(client.closed().await, "{rest:?}");
    }
    until("all are gone", || listener.connections() == 0).await;
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let listener = listener(Limits {
        connections_per_address: 3,
        ..Limits::default()
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::to(&listener).await;
        assert_eq!(client.get("/").await.unwrap().status, 200);
        clients.push(client);
    }
    let mut fourth = Client::to(&listener).await;
    let answer = fourth.answer().await.unwrap();
    assert_eq!(answer.status, 429);
    assert!(answer.has("retry-after: 1") && fourth.closed().await);
    clients.pop();
    until("one has left", || listener.connections() == 2).await;
    let mut again = Client::to(&listener).await;
    assert_eq!(again.get("/").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_full_house_sends_the_idle_home_and_serves_the_next() {
    let listener = listener(Limits {
        connections: 2,
        ..Limits::default()
    })
    .await;
    let _idle = (Client::to(&listener).await, Client::to(&listener).await);
    until("the house is full", || listener.connections() == 2).await;
    let mut third = Client::to(&listener).await;
    let begun = Instant::now();
    assert_eq!(third.get("/").await.unwrap().status, 200);
    assert!(begun.elapsed() < Limits::default().idle_time / 4);
}

#[tokio::test]
async fn a_connection_has_so_many_requests() {
    let listener = listener(Limits {
        requests_per_connection: 3,
        ..Limits::default()
    })
    .await;
    let mut client = Client::to(&listener).await;
    for last in [false, false, true] {
        let answer = client.get("/").await.unwrap();
        assert_eq!(
            (answer.status, answer.has("connection: close")),
            (200, last)
        );
    }
    assert!(client.closed().await);
}
