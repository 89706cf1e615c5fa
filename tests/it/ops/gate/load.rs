//! Revocation under load: no dead key is let in, however busy everything is and whatever is cut meanwhile.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use super::*;

const KEYS: usize = 200;

/// When each key died, as far as the one who killed it knows.
type Deaths = Vec<Mutex<Option<Instant>>>;

/// Asks for keys until it is over. A key whose death was acknowledged more than the bound before the question must be
/// refused. Gives how long after its death a dead key was still let in, at most.
async fn hammer(
    gate: Gate,
    number: usize,
    deaths: Arc<Deaths>,
    over: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
) -> Duration {
    let mut latest = Duration::ZERO;
    let mut at = number * 25;
    while !over.load(SeqCst) {
        at = (at + 7) % KEYS;
        let begun = Instant::now();
        let answer = gate.verify(&drf(&format!("k{at}"))).await;
        asked.fetch_add(1, SeqCst);
        if let (Ok(_), Some(died)) = (&answer, *deaths[at].lock().unwrap()) {
            let after = begun.saturating_duration_since(died);
            assert!(after < BOUND, "key {at} let in {after:?} after its death");
            latest = latest.max(after);
        }
        if asked.load(SeqCst).is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
    }
    latest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_no_dead_key_is_let_in() {
    let place = with_users(200).await;
    place
        .sql("INSERT INTO authtoken_token SELECT 'k' || id - 1, now(), id FROM auth_user")
        .await;
    let gate = gate_of(&place).await;
    let deaths: Arc<Deaths> = Arc::new((0..KEYS).map(|_| Mutex::new(None)).collect());
    let (over, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let hammers: Vec<_> = (0..8)
        .map(|number| {
            let (gate, deaths) = (gate.clone(), Arc::clone(&deaths));
            tokio::spawn(hammer(
                gate,
                number,
                deaths,
                Arc::clone(&over),
                Arc::clone(&asked),
            ))
        })
        .collect();
    let killers: Vec<_> = (0..2_usize)
        .map(|half| (half, Arc::clone(&deaths)))
        .map(|(half, deaths)| {
            let place = &place;
            async move {
                let client = place.client().await;
                for at in (half..KEYS).step_by(2) {
                    let id = at + 1;
                    let kill = match at % 8 {
                        0 | 1 => format!("DELETE FROM authtoken_token WHERE user_id = {id}"),
                        2 | 3 => format!("UPDATE authtoken_token SET key = 'new{at}' WHERE user_id = {id}"),
                        4 | 5 => format!("UPDATE auth_user SET is_active = false WHERE id = {id}"),
                        _ => format!("UPDATE auth_user SET last_login = now() WHERE id = {id}; DELETE FROM authtoken_token WHERE user_id = {id}"),
                    };
                    client.batch_execute(&kill).await.unwrap();
                    *deaths[at].lock().unwrap() = Some(Instant::now());
                    if at % 40 == 20 {
                        // In the middle of it all the notice connection is cut.
                        client
                            .batch_execute(
                                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                                 AND query LIKE '-- One row about the session%' AND pid <> pg_backend_pid()",
                            )
                            .await
                            .unwrap();
                    }
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
            }
        })
        .collect();
    futures_util::future::join_all(killers).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    over.store(true, SeqCst);
    let mut latest = Duration::ZERO;
    for hammer in hammers {
        latest = latest.max(hammer.await.unwrap());
    }
    let stats = gate.stats();
    assert!(stats.hits > 1_000, "{stats:?}: too few hits prove little");
    for at in 0..KEYS {
        let answer = gate.verify(&drf(&format!("k{at}"))).await;
        assert!(matches!(answer, Err(Error::Denied(_))), "{at}: {answer:?}");
    }
    println!(
        "{} answers, {stats:?}, the latest {latest:?} after a death",
        asked.load(SeqCst)
    );
}
