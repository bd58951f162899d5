//! Moving a served feed from outside: `GET /control` tells what is served, `POST /control/latest` a
//! version and `POST /control/faults` a list of faults, both as plain text.

use std::fmt::Display;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;

use super::fault::Faults;
use super::service::Service;
use super::version::Version;

type Refusal = (StatusCode, String);

pub(super) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/control", get(describe))
        .route("/control/latest", post(latest))
        .route("/control/faults", post(faults))
}

async fn describe(State(service): State<Arc<Service>>) -> Json<Value> {
    Json(service.describe())
}

async fn latest(State(service): State<Arc<Service>>, body: String) -> Result<Json<Value>, Refusal> {
    let version: Version = body.trim().parse().map_err(refusal)?;
    service.set_latest(version).map_err(refusal)?;
    Ok(Json(service.describe()))
}

async fn faults(State(service): State<Arc<Service>>, body: String) -> Result<Json<Value>, Refusal> {
    let faults: Faults = body.parse().map_err(refusal)?;
    service.set_faults(faults);
    Ok(Json(service.describe()))
}

fn refusal(error: impl Display) -> Refusal {
    (StatusCode::BAD_REQUEST, format!("{error}\n"))
}
