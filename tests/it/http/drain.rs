//! A stop in the middle of everything: who was heard gets an answer, and afterwards the port is free.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokenward::http::Limits;
use tokio::net::{TcpListener, TcpStream};

use super::{Client, WHOAMI, get, listener, until};

#[tokio::test]
async fn what_is_in_flight_is_answered_and_the_port_is_free() {
    let listener = listener(Limits::default()).await;
    let address = listener.address();
    let mut busy = Client::to(&listener).await;
    busy.send(get("/slow")).await;
    let mut idle = Client::to(&listener).await;
    assert_eq!(idle.get("/").await.unwrap().status, 200);
    until("both are here", || listener.connections() == 2).await;
    let feed = listener.feed();
    let stopping = tokio::spawn(listener.stop());
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, WHOAMI));
    assert!(answer.has("connection: close"), "{}", answer.head);
    assert!(busy.closed().await && idle.closed().await);
    assert_eq!(stopping.await.unwrap().dropped, 0);
    assert!(TcpStream::connect(address).await.is_err());
    TcpListener::bind(address).await.expect("the port is free");
    assert_eq!(feed.take().lines.len(), 2);
}

#[tokio::test]
async fn what_never_ends_is_dropped_after_the_limit() {
    let listener = listener(Limits {
        drain_time: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let mut client = Client::to(&listener).await;
    client.send(get("/never")).await;
    until("it is here", || listener.connections() == 1).await;
    let begun = Instant::now();
    assert_eq!(listener.stop().await.dropped, 1);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert!(client.answer().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_no_answer() {
    let listener = listener(Limits::default()).await;
    let address = listener.address();
    let gone = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (gone, answered) = (Arc::clone(&gone), Arc::clone(&answered));
            tokio::spawn(async move {
                // Connects, asks until it is told that this was the last answer, connects again.
                loop {
                    let Ok(stream) = TcpStream::connect(address).await else {
                        assert!(gone.load(Ordering::SeqCst), "refused before the stop");
                        return;
                    };
                    let mut client = Client {
                        stream,
                        read: Vec::new(),
                    };
                    let mut first = true;
                    loop {
                        client.send(get("/")).await;
                        let Some(answer) = client.answer().await else {
                            // The kernel may take one in the moment in which the socket is closed: nobody ever saw it.
                            let unseen = first && gone.load(Ordering::SeqCst);
                            assert!(unseen, "a request without an answer");
                            return;
                        };
                        first = false;
                        assert_eq!((answer.status, answer.body.as_str()), (200, WHOAMI));
                        answered.fetch_add(1, Ordering::Relaxed);
                        if answer.has("connection: close") {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    until("there is load", || answered.load(Ordering::Relaxed) > 2_000).await;
    gone.store(true, Ordering::SeqCst);
    assert_eq!(listener.stop().await.dropped, 0);
    for client in clients {
        client.await.unwrap();
    }
}
