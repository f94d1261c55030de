//! Which answer a path asks for.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path, understood. Names are percent-decoded and not yet looked up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `GET /`
    Root,
    /// `/v2`
    Server,
    /// `/v2/health/live`
    Live,
    /// `/v2/health/ready`
    Ready,
    /// `/v2/models/stats`
    AllStatistics,
    /// `/v2/models/<m>[/versions/<v>][/…]`
    Model(ModelRoute<'a>),
    /// `/v2/repository/index`
    Index,
    /// `/v2/repository/models/<m>/load`
    Load(Cow<'a, str>),
    /// `/v2/repository/models/<m>/unload`
    Unload(Cow<'a, str>),
    /// Part of the protocol's extensions that this host does not offer.
    NotOffered,
    /// `/api/v1/service/<s>/score`, and every path below it
    Score(Cow<'a, str>),
    /// `/api/v1/service/<s>/swagger.json`
    Swagger(Cow<'a, str>),
    /// `/inference.GRPCInferenceService/<method>`
    Grpc(&'a str),
    /// `/.well-known/jwks.json`
    Jwks,
    /// `/management/…`
    Management,
    /// `/metrics`
    Metrics,
    /// Anything else.
    Unknown,
}

/// What is asked about a model.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ModelRoute<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) version: Option<Cow<'a, str>>,
    pub(crate) what: ModelCall,
}

/// The last part of a model's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelCall {
    Metadata,
    Ready,
    Config,
    Statistics,
    Infer,
}

pub(crate) const GRPC_SERVICE: &str = "/inference.GRPCInferenceService/";

impl<'a> Route<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        let found = if let Some(rest) = path.strip_prefix("/v2/models/") {
            model(rest)
        } else if let Some(method) = path.strip_prefix(GRPC_SERVICE) {
            Some(Self::Grpc(method))
        } else if let Some(rest) = path.strip_prefix("/api/v1/service/") {
            service(rest)
        } else if let Some(rest) = path.strip_prefix("/v2/repository/models/") {
            repository(rest)
        } else {
            fixed(path)
        };
        found.unwrap_or(Self::Unknown)
    }

    /// What follows `/score` in the path of a [`Route::Score`], still percent-encoded; `/` where nothing does.
    pub(crate) fn below_score(path: &str) -> &str {
        let rest = path.strip_prefix("/api/v1/service/").and_then(|rest| rest.split_once('/'));
        rest.and_then(|(_, last)| last.strip_prefix("score")).filter(|below| !below.is_empty()).unwrap_or("/")
    }
}

fn fixed(path: &str) -> Option<Route<'_>> {
    Some(match path {
        "/" => Route::Root,
        "/v2" | "/v2/" => Route::Server,
        "/v2/health/live" => Route::Live,
        "/.well-known/jwks.json" => Route::Jwks,
        "/v2/health/ready" => Route::Ready,
        "/v2/repository/index" => Route::Index,
        "/metrics" => Route::Metrics,
        _ if path.starts_with("/management/") => Route::Management,
        _ if ["/v2/systemsharedmemory/", "/v2/cudasharedmemory/", "/v2/trace/", "/v2/logging"]
            .iter()
            .any(|prefix| path.starts_with(prefix)) =>
        {
            Route::NotOffered
        }
        _ => return None,
    })
}

fn model(rest: &str) -> Option<Route<'_>> {
    if rest == "stats" {
        return Some(Route::AllStatistics);
    }
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let (version, last) = match rest.strip_prefix("versions/") {
        Some(rest) => {
            let (version, last) = rest.split_once('/').unwrap_or((rest, ""));
            (Some(decode(version)?), last)
        }
        None => (None, rest),
    };
    let what = match last {
        "infer" => ModelCall::Infer,
        "" => ModelCall::Metadata,
        "ready" => ModelCall::Ready,
        "config" => ModelCall::Config,
        "stats" => ModelCall::Statistics,
        "trace/setting" => return Some(Route::NotOffered),
        _ => return None,
    };
    Some(Route::Model(ModelRoute { name: decode(name)?, version, what }))
}

fn service(rest: &str) -> Option<Route<'_>> {
    let (name, last) = rest.split_once('/')?;
    match last {
        "score" => Some(Route::Score(decode(name)?)),
        _ if last.starts_with("score/") => Some(Route::Score(decode(name)?)),
        "swagger.json" => Some(Route::Swagger(decode(name)?)),
        _ => None,
    }
}

fn repository(rest: &str) -> Option<Route<'_>> {
    let (name, last) = rest.split_once('/')?;
    match last {
        "load" => Some(Route::Load(decode(name)?)),
        "unload" => Some(Route::Unload(decode(name)?)),
        _ => None,
    }
}

/// A non-empty path segment with its percent-encoding undone.
fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if segment.is_empty() {
        return None;
    }
    if !segment.contains('%') {
        return Some(segment.into());
    }
    percent_decode_str(segment).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_routes() {
        let model = |name: &'static str, version: Option<&'static str>, what| {
            Route::Model(ModelRoute { name: name.into(), version: version.map(Cow::from), what })
        };
        let rows = [
            ("/", Route::Root),
            ("/v2", Route::Server),
            ("/v2/health/live", Route::Live),
            ("/v2/health/ready", Route::Ready),
            ("/v2/models/stats", Route::AllStatistics),
            ("/.well-known/jwks.json", Route::Jwks),
            ("/v2/models/m", model("m", None, ModelCall::Metadata)),
            ("/v2/models/m/infer", model("m", None, ModelCall::Infer)),
            ("/v2/models/m/versions/3/infer", model("m", Some("3"), ModelCall::Infer)),
            ("/v2/models/m/versions/3", model("m", Some("3"), ModelCall::Metadata)),
            ("/v2/models/m/config", model("m", None, ModelCall::Config)),
            ("/v2/models/m/stats", model("m", None, ModelCall::Statistics)),
            ("/v2/models/a%20b/ready", model("a b", None, ModelCall::Ready)),
            ("/v2/models/%2e%2e%2fetc/ready", model("../etc", None, ModelCall::Ready)),
            ("/v2/models/%ff/ready", Route::Unknown),
            ("/v2/models//infer", Route::Unknown),
            ("/v2/models/m/versions//infer", Route::Unknown),
            ("/v2/models/m/else", Route::Unknown),
            ("/v2/models/m/trace/setting", Route::NotOffered),
            ("/v2/systemsharedmemory/status", Route::NotOffered),
            ("/v2/repository/index", Route::Index),
            ("/v2/repository/models/m/load", Route::Load("m".into())),
            ("/v2/repository/models/m/unload", Route::Unload("m".into())),
            ("/api/v1/service/s/score", Route::Score("s".into())),
            ("/api/v1/service/s/score/items/7", Route::Score("s".into())),
            ("/api/v1/service/s/scores", Route::Unknown),
            ("/api/v1/service/s/swagger.json", Route::Swagger("s".into())),
            ("/api/v1/service/s", Route::Unknown),
            ("/inference.GRPCInferenceService/ModelInfer", Route::Grpc("ModelInfer")),
            ("/management/v1/services", Route::Management),
            ("/managements", Route::Unknown),
            ("/metrics", Route::Metrics),
            ("/etc/passwd", Route::Unknown),
        ];
        for (path, expected) in rows {
            assert_eq!(Route::of(path), expected, "{path}");
        }
    }

    #[test]
    fn what_follows_the_scoring_path_is_the_handlers() {
        let check = |path: &str, below: &str| assert_eq!(Route::below_score(path), below, "{path}");
        check("/api/v1/service/s/score", "/");
        check("/api/v1/service/s/score/", "/");
        check("/api/v1/service/s/score/items/a%20b", "/items/a%20b");
        check("/api/v1/service/score/score/x", "/x");
    }
}
