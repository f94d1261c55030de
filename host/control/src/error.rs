use scorehost_core::{Digest, ErrorKind, Failure, ModelId, ServiceName, VersionName};

/// What the management API refuses, and what it cannot do.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A path that no route has.
    #[error("the management API has no '{path}'")]
    NoRoute {
        /// Path asked for.
        path: String,
    },
    /// A method that the route does not have.
    #[error("'{path}' does not answer {method}; it answers {allowed}")]
    Method {
        /// Path asked for.
        path: String,
        /// Method asked for.
        method: String,
        /// Methods there are.
        allowed: &'static str,
    },
    /// A query parameter that is not what the route expects.
    #[error("query parameter '{name}' is '{value}', expected {expected}")]
    Query {
        /// Name of the parameter.
        name: String,
        /// Value given.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A body beyond its bound.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// A body that broke off or stalled.
    #[error("the upload stopped before its end: {reason}")]
    Upload {
        /// Why.
        reason: String,
    },
    /// JSON that does not parse, or is not the document expected.
    #[error("the body is not the JSON document expected here: {reason}")]
    Json {
        /// Parser's message with line and column.
        reason: String,
    },
    /// Files of a model that do not make a set.
    #[error("a model has between 1 and {limit} files, this one has {count}")]
    FileCount {
        /// Files given.
        count: usize,
        /// The bound.
        limit: usize,
    },
    /// A file whose content was never uploaded.
    #[error("content {digest} of model file '{path}' is not on the server")]
    MissingBlob {
        /// Path of the file.
        path: String,
        /// Its content.
        digest: Digest,
    },
    /// A file whose stored content has another size.
    #[error("model file '{path}' is declared with {declared} bytes, its content {digest} has {stored}")]
    BlobSize {
        /// Path of the file.
        path: String,
        /// Its content.
        digest: Digest,
        /// Size in the request.
        declared: u64,
        /// Size on the server.
        stored: u64,
    },
    /// A blob that does not exist.
    #[error("there is no content {digest} on the server")]
    NoBlob {
        /// Its digest.
        digest: Digest,
    },
    /// A scorer that was never uploaded.
    #[error("the scorer's component {digest} is not on the server")]
    NoComponent {
        /// Its digest.
        digest: Digest,
    },
    /// A model that was never registered.
    #[error("model '{model}' is not registered; registered are: {known}")]
    NoModel {
        /// Name or name and version asked for.
        model: String,
        /// Names with versions there are, shortened.
        known: String,
    },
    /// A model named twice in one deployment.
    #[error("model '{model}' is listed twice")]
    RepeatedModel {
        /// The model.
        model: ModelId,
    },
    /// Services that would call each other for ever.
    #[error("services would call each other in a circle: {chain}")]
    Circle {
        /// Names, from the service at hand on and back to it.
        chain: String,
    },
    /// A no-code service with no model, or with several.
    #[error("a service without a scorer answers with exactly one model, this deployment has {count}")]
    NoCodeModels {
        /// Models given.
        count: usize,
    },
    /// A no-code service whose model has no graph.
    #[error("model '{model}' has no .onnx file, so it cannot answer without a scorer; its files are: {files}")]
    NoGraph {
        /// The model.
        model: ModelId,
        /// Its files, shortened.
        files: String,
    },
    /// A model that services use.
    #[error("model '{model}' is used by {}: {}", if services.len() == 1 { "service" } else { "services" }, services.join(", "))]
    InUse {
        /// The model.
        model: ModelId,
        /// Services that use it.
        services: Vec<String>,
    },
    /// Another operation on the same service.
    #[error("service '{service}' has operation {operation} under way")]
    Busy {
        /// The service.
        service: ServiceName,
        /// The operation's id.
        operation: String,
    },
    /// Too many models in this container.
    #[error(
        "service '{service}' would bring this container to {count} models and the limit is {limit}; the first one too many is '{first}'"
    )]
    TooManyModels {
        /// The service.
        service: ServiceName,
        /// Distinct models with this deployment.
        count: usize,
        /// The bound.
        limit: usize,
        /// The model that exceeds it.
        first: ModelId,
    },
    /// A service that does not exist.
    #[error("there is no service '{service}'; there are: {known}")]
    NoService {
        /// Name asked for.
        service: String,
        /// Names there are, shortened.
        known: String,
    },
    /// An operation that is unknown, or was forgotten.
    #[error("there is no operation '{id}'")]
    NoOperation {
        /// Id asked for.
        id: String,
    },
    /// Too many log streams.
    #[error("{limit} log streams are open, which is the most this host serves")]
    Followers {
        /// The bound.
        limit: usize,
    },
    /// An operation that took too long.
    #[error("the operation did not finish within {seconds} s; its last phase was '{phase}'")]
    TimedOut {
        /// The limit.
        seconds: u64,
        /// Phase it was in.
        phase: String,
    },
    /// An operation that was cancelled.
    #[error("the operation was cancelled in phase '{phase}'")]
    Cancelled {
        /// Phase it was in.
        phase: String,
    },
    /// A cancellation of an operation that is over.
    #[error("operation '{id}' is {state} already")]
    Finished {
        /// Its id.
        id: String,
        /// Its state.
        state: &'static str,
    },
    /// A stored description that cannot be read.
    #[error("the stored description of '{document}' cannot be read: {reason}")]
    Document {
        /// Key of the document.
        document: String,
        /// Why.
        reason: String,
    },
    /// A version that the service does not have.
    #[error("service '{service}' has no version '{version}'; it has: {known}")]
    NoVersion {
        /// The service.
        service: ServiceName,
        /// Version asked for.
        version: String,
        /// Versions there are.
        known: String,
    },
    /// One version too many.
    #[error(
        "service '{service}' has {} versions and the limit is {limit}, so version '{version}' is refused; it has: {}",
        versions.len(), names(versions)
    )]
    TooManyVersions {
        /// The service.
        service: ServiceName,
        /// The version that is too many.
        version: VersionName,
        /// The bound.
        limit: usize,
        /// Versions there are, oldest first.
        versions: Vec<VersionName>,
    },
    /// A deployment whose file names another version than its request.
    #[error("the request names version '{asked}', its deploymentconfig.json '{of_file}'")]
    TwoVersions {
        /// In the request.
        asked: VersionName,
        /// `versionName` of the file.
        of_file: VersionName,
    },
    /// A default version that would go while there are others.
    #[error("version '{version}' is the default of service '{service}' and cannot be deleted while there are others")]
    DefaultVersion {
        /// The service.
        service: ServiceName,
        /// The version.
        version: VersionName,
    },
    /// A version that was to get requests and does not answer.
    #[error("version '{version}' of service '{service}' is not ready, so no request is sent to it")]
    NotReady {
        /// The service.
        service: ServiceName,
        /// The version.
        version: VersionName,
    },
    /// A percentage out of its bounds.
    #[error("the share of version '{version}' is {percent} %, expected 0 to 100")]
    Percent {
        /// The version.
        version: VersionName,
        /// The percentage.
        percent: f64,
    },
    /// Percentages that do not add up.
    #[error("the shares of all versions are {sum} % together, expected at most 100; the default version gets the rest")]
    PercentSum {
        /// Their sum.
        sum: f64,
    },
    /// A share for the default version.
    #[error("version '{version}' is the default and gets what the others leave, so it has no share of its own")]
    SplitDefault {
        /// The version.
        version: VersionName,
    },
    /// A version with two shares.
    #[error("version '{version}' has two shares")]
    SplitTwice {
        /// The version.
        version: VersionName,
    },
    /// A shadow of the default version.
    #[error("version '{version}' is the default and answers itself, so it gets no copies")]
    ShadowDefault {
        /// The version.
        version: VersionName,
    },
    /// A header name that no request can have.
    #[error("'{header}' is not the name of a header")]
    Header {
        /// The name.
        header: String,
    },
    /// A key that no request can carry. The key itself is not told.
    #[error("a key has 1 to {longest} visible ASCII characters; this one does not")]
    Key {
        /// Characters at most.
        longest: usize,
    },
    /// Keys of a service that has none.
    #[error("service '{service}' has no keys: its authentication is '{auth}'")]
    NoKeys {
        /// The service.
        service: ServiceName,
        /// What it asks for instead.
        auth: &'static str,
    },
    /// A token of a service that takes none.
    #[error("service '{service}' takes no tokens: its authentication is '{auth}'")]
    NoTokens {
        /// The service.
        service: ServiceName,
        /// What it asks for instead.
        auth: &'static str,
    },
    /// A change of settings that is no object.
    #[error("'deployment' must be an object with the keys of deploymentconfig.json that change")]
    Patch,
    /// A service that changed between the look at it and the change of it.
    #[error("service '{service}' changed meanwhile")]
    Changed {
        /// The service.
        service: ServiceName,
    },
    /// A change of the number of replicas that does not say which.
    #[error("a number of replicas is either numReplicas, or minReplicas and maxReplicas, one of which may be left out")]
    Scale,
    /// A number of replicas out of its bounds.
    #[error("{what} is {number}, expected {least} to 1000000")]
    Replicas {
        /// Which.
        what: &'static str,
        /// The number.
        number: u32,
        /// The least.
        least: u32,
    },
    /// A request whose caller nobody asked for a credential.
    #[error("the caller of the management API is not known")]
    NoPrincipal,
}

/// Names for a message.
fn names(versions: &[VersionName]) -> String {
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl ControlError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoRoute { .. }
            | Self::NoBlob { .. }
            | Self::NoModel { .. }
            | Self::NoService { .. }
            | Self::NoVersion { .. }
            | Self::NoOperation { .. } => ErrorKind::NotFound,
            Self::Method { .. } => ErrorKind::Unsupported,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::InUse { .. }
            | Self::Busy { .. }
            | Self::Cancelled { .. }
            | Self::Finished { .. }
            | Self::DefaultVersion { .. }
            | Self::NotReady { .. }
            | Self::Changed { .. }
            | Self::NoKeys { .. }
            | Self::NoTokens { .. } => ErrorKind::Conflict,
            Self::NoPrincipal => ErrorKind::Unauthenticated,
            Self::Followers { .. } => ErrorKind::Overloaded,
            Self::TimedOut { .. } => ErrorKind::Deadline,
            Self::Document { .. } => ErrorKind::Internal,
            Self::Query { .. }
            | Self::Upload { .. }
            | Self::Json { .. }
            | Self::FileCount { .. }
            | Self::MissingBlob { .. }
            | Self::BlobSize { .. }
            | Self::NoComponent { .. }
            | Self::RepeatedModel { .. }
            | Self::Circle { .. }
            | Self::NoCodeModels { .. }
            | Self::NoGraph { .. }
            | Self::TooManyModels { .. }
            | Self::TooManyVersions { .. }
            | Self::TwoVersions { .. }
            | Self::Percent { .. }
            | Self::PercentSum { .. }
            | Self::SplitDefault { .. }
            | Self::SplitTwice { .. }
            | Self::ShadowDefault { .. }
            | Self::Header { .. }
            | Self::Key { .. }
            | Self::Patch
            | Self::Scale
            | Self::Replicas { .. } => ErrorKind::InvalidInput,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRoute { .. } => "docs/reference/management.md lists the routes".to_owned(),
            Self::MissingBlob { digest, .. } => format!("upload it with PUT /management/v1/blobs/{digest} first"),
            Self::NoComponent { digest } => format!("upload it with PUT /management/v1/blobs/{digest} first"),
            Self::NoModel { .. } => {
                "register it with 'scorehost model register --name NAME --path FILE_OR_DIR'".to_owned()
            }
            Self::Circle { .. } => "take one of them out of the others' scorehost.grants.services".to_owned(),
            Self::NoCodeModels { .. } | Self::NoGraph { .. } => "give a scorer with --scorer or --ic".to_owned(),
            Self::InUse { services, .. } => {
                format!("delete the service first: scorehost service delete {}", services.first()?)
            }
            Self::Busy { operation, .. } => {
                format!(
                    "wait for it: scorehost operation show {operation} --wait; or stop it: scorehost operation cancel {operation}"
                )
            }
            Self::TooManyModels { .. } => "delete a service that is no longer needed, or use another host".to_owned(),
            Self::NoService { .. } => "scorehost service list".to_owned(),
            Self::TimedOut { .. } => {
                "see the service's log; a longer limit is set with serve --operation-timeout".to_owned()
            }
            Self::NoVersion { service, .. } => format!("scorehost endpoint show {service}"),
            Self::TooManyVersions { service, versions, .. } => {
                format!("delete one that is not needed: scorehost endpoint delete {service} {}", versions.first()?)
            }
            Self::TwoVersions { .. } => "name it in one place".to_owned(),
            Self::DefaultVersion { service, .. } => {
                format!(
                    "promote another first: scorehost endpoint promote {service} VERSION; or delete all: scorehost service delete {service}"
                )
            }
            Self::NotReady { service, .. } => {
                format!(
                    "see what it is doing: scorehost endpoint show {service}; and why: scorehost service logs {service}"
                )
            }
            Self::PercentSum { .. } | Self::SplitDefault { .. } => {
                "name shares of the other versions only, such as v2=10".to_owned()
            }
            Self::NoKeys { service, auth: "token" } => format!("scorehost service token {service}"),
            Self::NoKeys { service, .. } => {
                format!("ask for keys with: scorehost service update {service} --set authEnabled=true")
            }
            Self::NoTokens { service, auth: "key" } => format!("scorehost service keys {service}"),
            Self::NoTokens { service, .. } => {
                format!("ask for tokens with: scorehost service update {service} --set tokenAuthEnabled=true")
            }
            Self::Changed { .. } => "repeat it".to_owned(),
            Self::NoPrincipal => "give a management credential with --token-file or SCOREHOST_TOKEN".to_owned(),
            _ => return None,
        })
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let failure = Self::new(error.kind(), error.to_string());
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
