//! What a key is worth, as JSON: the same fields wherever one is told about, from `verify` and from `leak scan`.

use std::net::IpAddr;

use serde::Serialize;

use crate::domain::moment::Moment;
use crate::domain::retired::Retired;
use crate::domain::scan::Kind;
use crate::domain::token::CoveredKey;
use crate::domain::user::UserId;
use crate::ops::leak::{self, Finding, Holder};
use crate::ops::{UserDetail, Verdict};

/// A key and what it is worth.
#[derive(Debug, Serialize)]
pub struct Worth<'a> {
    pub key: &'a CoveredKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Moment>,
    #[serde(skip_serializing_if = "<[IpAddr]>::is_empty")]
    pub last_used_from: &'a [IpAddr],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak: Option<i64>,
    /// Until when our listener still takes a retired key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub works_until: Option<Moment>,
    /// For a key of the checksummed format that is none here: whether it was ever one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl<'a> Worth<'a> {
    /// Of a key of nobody.
    const fn of(key: &'a CoveredKey, verdict: &'static str) -> Self {
        Self {
            key,
            kind: None,
            verdict,
            username: None,
            user_id: None,
            reach: None,
            made: None,
            last_login: None,
            last_used: None,
            last_used_from: &[],
            retired: None,
            by: None,
            leak: None,
            works_until: None,
            checksum: None,
            detail: None,
        }
    }

    /// What `verify` says of `key`.
    pub fn of_verdict(key: &'a CoveredKey, verdict: &'a Verdict, now: Moment) -> Self {
        let worth = Self::of(key, verdict.word());
        match verdict {
            Verdict::Live(detail) | Verdict::Inert(detail) => worth.of_user(detail),
            Verdict::Retired(retired) => worth.was(retired, now),
            Verdict::Unknown { checksum, .. } => Self {
                checksum: *checksum,
                ..worth
            },
        }
    }

    /// What a search found.
    pub fn of_finding(finding: &'a Finding, now: Moment) -> Self {
        let worth = Self::of(&finding.key, finding.verdict.word());
        match &finding.verdict {
            leak::Verdict::Live(holder) | leak::Verdict::Inert(holder, _) => worth.held(holder),
            leak::Verdict::Retired(retired) => worth.was(retired, now),
            leak::Verdict::Unknown | leak::Verdict::Partial(_) => Self {
                kind: Some(match finding.sighting.kind {
                    Kind::Drf | Kind::Checksum(_) => "drf",
                    Kind::Knox => "knox",
                    Kind::Other => "other",
                }),
                username: finding.whose(),
                ..worth
            },
        }
    }

    fn of_user(self, detail: &'a UserDetail) -> Self {
        let (user, token) = (&detail.row.user, detail.row.token.as_ref());
        Self {
            kind: Some("drf"),
            username: Some(&user.username),
            user_id: Some(user.id),
            reach: Some(detail.reach()),
            made: token.map(|token| token.created),
            last_login: user.last_login,
            last_used: token.and_then(|token| token.last_use.at()),
            last_used_from: token.map_or(&[], |token| token.last_use.addresses()),
            ..self
        }
    }

    /// Of one that this one holds.
    fn held(self, holder: &'a Holder) -> Self {
        let user = &holder.user;
        Self {
            kind: Some(holder.token.word()),
            username: Some(&user.username),
            user_id: Some(user.id),
            reach: Some(holder.reach()),
            made: Some(holder.made),
            last_login: user.last_login,
            last_used: holder.last_use.at(),
            last_used_from: holder.last_use.addresses(),
            ..self
        }
    }

    /// Of one that was a key once.
    fn was(self, retired: &'a Retired, now: Moment) -> Self {
        Self {
            kind: Some(retired.kind.word()),
            username: retired.username.as_deref(),
            user_id: UserId::parse(&retired.user_id),
            retired: Some(retired.retired),
            by: Some(&retired.by),
            leak: retired.leak,
            works_until: retired.grace(now),
            detail: Some(retired.story(now)),
            ..self
        }
    }
}
