//! The node's HTTP service: one file for each group of resources, one list of routes.
//!
//! What always holds: every route is in `/openapi.json`; every answer that is not what was asked
//! for is an RFC 9457 problem with a stable `code`; every request is bounded in size, rate and time.

pub mod accept;
pub mod answer;
pub mod batch;
pub mod consistency;
pub mod events;
pub mod guard;
pub mod ledger;
pub mod node;
pub mod problem;
pub mod proofs;
pub mod published;
pub mod rate;
pub mod receipts;
pub mod server;
pub mod service;
pub mod tls;

use axum::Router;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use problem::{Code, Problem};
use service::Service;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::{Content, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

/// The description of every resource.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Medanchor node",
        description = "Anchor events, fetch receipts, read the published log. Errors are RFC 9457 problem documents with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        events::post,
        events::get,
        receipts::get,
        receipts::witnessed,
        consistency::get,
        batch::post,
        ledger::block,
        ledger::state,
        proofs::state,
        proofs::history,
        proofs::access,
        node::stream,
        node::status,
        node::health,
        node::ready,
        node::metrics,
        published::checkpoint,
        published::witnessed,
        published::tile,
        published::current_policy,
        published::policy,
        published::policy_chain,
        published::genesis,
        published::certificates,
        published::cosignatures,
        openapi
    ),
    modifiers(&AnyProblem)
)]
struct Description;

/// Every request may meet a problem that is not its own: too many at once, a node that is stopping.
struct AnyProblem;

impl Modify for AnyProblem {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description("Anything else that stands in the way; `code` says what")
            .content("application/problem+json", problem)
            .build();
        for path in description.paths.paths.values_mut() {
            for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                responses.insert("default".to_owned(), response.clone().into());
            }
        }
    }
}

type Route = (&'static str, MethodRouter<Arc<Service>>);

/// Every route.
fn routes() -> Vec<Route> {
    vec![
        ("/v1/events", post(events::post)),
        (guard::BATCH_PATH, post(batch::post)),
        ("/v1/events/{id}", get(events::get)),
        ("/v1/events/{id}/receipt", get(receipts::get)),
        (
            "/v1/events/{id}/witnessed-receipt",
            get(receipts::witnessed),
        ),
        ("/v1/consistency", get(consistency::get)),
        ("/v1/blocks/{height}", get(ledger::block)),
        ("/v1/state/{key}", get(ledger::state)),
        ("/v1/state/{key}/proof", get(proofs::state)),
        ("/v1/tags/{owner}/{tag}/history", get(proofs::history)),
        ("/v1/events/{id}/access-receipt", get(proofs::access)),
        ("/v1/stream", get(node::stream)),
        ("/v1/status", get(node::status)),
        ("/checkpoint", get(published::checkpoint)),
        ("/witnessed", get(published::witnessed)),
        ("/tile/{*path}", get(published::tile)),
        ("/policy", get(published::current_policy)),
        ("/policies/{hash}", get(published::policy)),
        ("/policy-chain", get(published::policy_chain)),
        ("/genesis", get(published::genesis)),
        ("/certificates", get(published::certificates)),
        ("/cosignatures", get(published::cosignatures)),
        ("/health", get(node::health)),
        ("/ready", get(node::ready)),
        ("/metrics", get(node::metrics)),
        ("/openapi.json", get(openapi)),
    ]
}

/// The service as a router.
pub fn router(service: Arc<Service>) -> Router {
    let mut router = Router::new();
    for (path, method) in routes() {
        router = router.route(path, method);
    }
    router
        .fallback(|| async {
            Problem::new(
                Code::NoSuchResource,
                "there is nothing here; see /openapi.json",
            )
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "not this method; see /openapi.json")
        })
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(from_fn_with_state(Arc::clone(&service), guard::guard))
        .with_state(service)
}

/// This description
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = serde_json::Value)))]
async fn openapi() -> Response {
    let text = Description::openapi().to_json().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let described: BTreeSet<String> = Description::openapi().paths.paths.into_keys().collect();
        let served = routes()
            .into_iter()
            .map(|(path, _)| path.replace("{*path}", "{path}"));
        assert_eq!(served.collect::<BTreeSet<_>>(), described);
    }
}
