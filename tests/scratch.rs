use diesel_async::pooled_connection::{AsyncDieselConnectionManager, deadpool::Pool};
use tokenward::{
    db::{Db, compat::UserTable},
    domain::{audit::Actor, filter::Filter, page::*, secret::Secret, token::*, user::*},
    ops::*,
};
#[tokio::test]
async fn go() {
    let url = std::env::var("SCRATCH_URL").unwrap();
    let pool = Pool::builder(AsyncDieselConnectionManager::new(url))
        .max_size(4)
        .build()
        .unwrap();
    let db = Db::open(pool, &UserTable::default()).await.unwrap();
    println!("{:?}", db.shape());
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
    for key in [SortKey::User, SortKey::Created, SortKey::Login, SortKey::Id] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let sort = Sort { key, direction };
            let mut start = Start::First;
            let mut ids = vec![];
            loop {
                let page = ops
                    .page_users(&UsersQuery {
                        sort,
                        start,
                        limit: 7,
                        ..Default::default()
                    })
                    .await
                    .unwrap();
                ids.extend(page.rows.iter().map(|r| r.user.id));
                if !page.more_after {
                    break;
                }
                start = Start::After(page.rows.last().unwrap().cursor(sort));
            }
            let mut back = vec![];
            let mut start = Start::Last;
            loop {
                let page = ops
                    .page_users(&UsersQuery {
                        sort,
                        start,
                        limit: 5,
                        ..Default::default()
                    })
                    .await
                    .unwrap();
                back.splice(0..0, page.rows.iter().map(|r| r.user.id));
                if !page.more_before {
                    break;
                }
                start = Start::Before(page.rows.first().unwrap().cursor(sort));
            }
            assert_eq!(ids, back);
            println!("{key:?} {direction:?} {}", ids.len());
        }
    }
    for f in [
        "ali",
        "is:super",
        "is:none -is:off",
        "age:>1y",
        "-age:>1y",
        "-ali",
        "is:staff kind:drf",
    ] {
        for reach in [Reach::Near, Reach::Far] {
            let page = ops
                .page_users(&UsersQuery {
                    filter: Filter::parse(f).unwrap(),
                    limit: 1000,
                    reach,
                    ..Default::default()
                })
                .await
                .unwrap();
            println!("{f} {reach:?} {}", page.rows.len());
        }
    }
    println!("{:?} {:?}", ops.estimate_users().await, ops.counts().await);
    let new = ops
        .create_user(
            NewUser {
                username: Username::new("zed").unwrap(),
                email: "".into(),
                is_staff: false,
                is_superuser: false,
            },
            Some(Secret::from("hallo")),
            Mode::Apply,
        )
        .await;
    println!("{new:?}");
    let aim = ops.aim(&Username::new("zed").unwrap()).await.unwrap();
    let g = ops.generate(&aim, Mode::Apply).await.unwrap();
    println!("{g:?}");
    println!("{:?}", ops.regenerate(&aim, Mode::Apply).await);
    let aim = ops.aim(&Username::new("zed").unwrap()).await.unwrap();
    let r = ops.regenerate(&aim, Mode::Apply).await.unwrap();
    println!("{:?}", ops.regenerate(&aim, Mode::Apply).await);
    println!(
        "{:?} {:?}",
        ops.verify(&g.key).await,
        ops.verify(&r.key).await.unwrap().answers(&r.key)
    );
    let (c, _h) = control();
    println!(
        "{:?}",
        ops.backfill(&BackfillPlan::default(), Mode::DryRun, c)
            .await
    );
    let (c, h) = control();
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
    println!("{:?}", *h.progress().borrow());
    println!("{:?}", ops.counts().await);
    println!(
        "{:#?}",
        ops.audit(&AuditQuery {
            limit: 3,
            ..Default::default()
        })
        .await
    );
}
