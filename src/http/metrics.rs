//! `/metrics` in the words of Prometheus, on a bind of its own: nothing in it tells of a user, a key or an address.
//! The numbers are [`Stats`]; they are written out when somebody asks.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::envelope::{Answer, Peer, Record, Service};
use super::health::{Health, Pulse, text};
use super::intake::Body;
use super::stats::{Endpoint, Outcome, Stats};

/// The format that every scraper reads, and `promtool check metrics` with them.
const TEXT_FORMAT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The counter of answers, without the `_total` that all counters have.
const AUTH: &str = "tokenward_auth";
/// The counter of requests with a retired key.
const RETIRED: &str = "tokenward_retired";
/// The counter of requests with a key in its grace.
const GRACE: &str = "tokenward_grace";

/// Answers `/metrics`; a listener of its own serves it.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

#[derive(Debug)]
struct Source {
    stats: Arc<Stats>,
    health: Health,
}

impl Metrics {
    /// The metrics of the listener that counts in `stats`.
    #[must_use]
    pub fn new(stats: Arc<Stats>, health: Health) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Source { stats, health }));
        Self { registry }
    }

    /// All of them, as text.
    ///
    /// # Errors
    /// When a metric cannot be written, which would be our fault.
    pub fn write(&self) -> Result<String, fmt::Error> {
        let mut out = String::with_capacity(8 * 1024);
        encode_registry(&mut out, &self.registry)?;
        // `prometheus-client` writes OpenMetrics, where a counter's description leaves `_total` out. It is the only
        // thing in which what we write differs from the older format.
        for name in [AUTH, RETIRED, GRACE] {
            for about in ["# HELP ", "# TYPE "] {
                let (open, plain) = (format!("{about}{name} "), format!("{about}{name}_total "));
                out = out.replacen(&open, &plain, 1);
            }
        }
        Ok(out)
    }
}

impl Service for Metrics {
    fn answer(&self, head: &Parts, _: Body, _: Peer) -> impl Future<Output = Answer> + Send {
        let response = match (&head.method, head.uri.path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => match self.write() {
                Ok(written) => {
                    let mut response = Response::new(Full::new(Bytes::from(written)));
                    response.headers_mut().insert(CONTENT_TYPE, TEXT_FORMAT);
                    response
                }
                Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot write a metric\n"),
            },
            (_, "/metrics") => text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"),
            _ => text(StatusCode::NOT_FOUND, "only /metrics is here\n"),
        };
        let record = Record::new(Endpoint::Other, Outcome::of(response.status()));
        answered(Answer { response, record })
    }
}

fn answered(answer: Answer) -> Ready<Answer> {
    ready(answer)
}

impl Collector for Source {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut requests = encoder.encode_descriptor(
            AUTH,
            "Requests answered, by what was asked and how it ended",
            None,
            MetricType::Counter,
        )?;
        for endpoint in Endpoint::all() {
            for outcome in Outcome::ALL {
                let count = self.stats.outcomes(endpoint, outcome);
                if count > 0 {
                    let labels = [("endpoint", endpoint.name()), ("outcome", outcome.name())];
                    ConstCounter::new(count).encode(requests.encode_family(&labels)?)?;
                }
            }
        }
        ConstCounter::new(self.stats.retired()).encode(encoder.encode_descriptor(
            RETIRED,
            "Requests refused because they showed a key that was replaced or revoked",
            None,
            MetricType::Counter,
        )?)?;
        ConstCounter::new(self.stats.grace()).encode(encoder.encode_descriptor(
            GRACE,
            "Requests let in by a key that was replaced and is taken for a while",
            None,
            MetricType::Counter,
        )?)?;
        let durations = self.stats.durations();
        encoder
            .encode_descriptor(
                "tokenward_request_duration_seconds",
                "Time from the end of a request's headers to its answer",
                None,
                MetricType::Histogram,
            )?
            .encode_histogram::<NoLabelSet>(
                durations.seconds(),
                durations.count(),
                &durations.buckets(),
                None,
            )?;
        let up = match self.health.pulse() {
            Pulse::Up => 1_i64,
            Pulse::Down => 0,
        };
        ConstGauge::new(up).encode(encoder.encode_descriptor(
            "tokenward_db_up",
            "Whether the database answered last time: 1 or 0",
            None,
            MetricType::Gauge,
        )?)?;
        let mut build = encoder.encode_descriptor(
            "tokenward_build_info",
            "The program's version, on a value that is always 1",
            None,
            MetricType::Gauge,
        )?;
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        ConstGauge::new(1_i64).encode(build.encode_family(&labels)?)
    }
}
