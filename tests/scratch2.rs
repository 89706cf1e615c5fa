use std::time::Instant;
use tokenward::{
    db::{
        Db, Pool,
        compat::UserTable,
        connect::{Connector, Settings},
        conninfo::{Environment, Target},
        private,
    },
    domain::{audit::Actor, token::*},
    ops::*,
};
#[tokio::test(flavor = "multi_thread")]
async fn go() {
    let n: u64 = std::env::var("N").unwrap().parse().unwrap();
    let home = private::Home::at("/var/tmp/leadhome".into());
    let lease = private::keep_running(&home, &mut |l: &str| println!("{l}"))
        .await
        .unwrap();
    private::ensure_database(&lease, "demo").await.unwrap();
    println!("{}", lease.url("demo").expose());
    let target = Target::resolve(&lease.url("demo"), &Environment::of_process()).unwrap();
    let pool = Pool::new(Connector::new(target, Settings::default()));
    let t = Instant::now();
    migrate::keep_current(pool.get().await.unwrap())
        .await
        .unwrap();
    println!("migrate {:?}", t.elapsed());
    let db = Db::open(pool, &UserTable::default()).await.unwrap();
    let t = Instant::now();
    if n > 0 {
        demo::populate(&db, n, |made| println!("{made}"))
            .await
            .unwrap();
    }
    println!("populate {:?}", t.elapsed());
    let ops = Ops::new(
        db,
        PlaceInfo {
            name: "dev".into(),
            ..Default::default()
        },
        Actor {
            os_user: "a".into(),
            host: "h".into(),
            operator: None,
        },
        AuditLog::at("/tmp/scratch-audit.jsonl".into()),
        KeyFormat::Drf,
    );
    println!("{:?}", ops.counts().await);
    let (c, h) = control();
    let t = Instant::now();
    println!(
        "{:?}",
        ops.backfill(
            &BackfillPlan {
                audience: Audience::All,
                ..Default::default()
            },
            Mode::Apply,
            c
        )
        .await
    );
    println!("{:?} {:?}", *h.progress().borrow(), t.elapsed());
}
