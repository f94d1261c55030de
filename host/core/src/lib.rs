//! The words every room shares: tensors, failures, identities, deadlines, what a service is, and the seams between rooms.
//!
//! In: nothing. Out: types and traits. Deliberately not here: I/O, wire formats (no type is `Serialize`; each
//! boundary owns its own), HTTP or gRPC status codes, and any knowledge of Wasm or of a device.

#![deny(missing_docs)]

mod call;
mod clock;
mod copies;
mod desired;
mod dtype;
mod failure;
mod ids;
pub mod order;
mod seam;
mod signature;
mod tensor;
mod trace;
mod value;

pub use call::{CallContext, Chain, Header, Headers, Priority, RawRequest, RawResponse};
pub use clock::{Clock, Deadline, SystemClock};
pub use copies::Copied;
pub use desired::{
    Access, Admission, Batching, Collection, CollectionFormat, DeviceKind, DeviceRequest, EndpointSpec, Grants,
    ModelRef, Outbound, Placement, Precision, Recording, ResponseCache, Scaling, ScorerRef, Secret, ServiceSpec,
    Shadow, Sticky, Traffic, UnknownWord, VersionKey, WarmUp,
};
pub use dtype::DType;
pub use failure::{ErrorKind, Failure};
pub use ids::{Digest, IdError, ModelId, ModelName, ServiceName, VersionName};
pub use seam::{
    Asked, BoxFuture, Collector, DeployedModel, EntryScriptDescription, Graph, GraphLoader, InferRequest,
    InferResponse, Interface, LogLevel, Logs, Model, ModelFiles, ModelSet, NamedTensors, Plane, Replica,
    ReplicaFactory, Repository, RepositoryEntry, Routed, Service, ServiceStatus, Services,
};
pub use signature::{BatchTerms, DynamicTerms, ModelMetadata, OutputIndices, Signature, SignatureError, TensorSpec};
pub use tensor::{NamedTensor, Shape, Tensor, TensorError};
pub use trace::{TraceContext, TraceParentError};
pub use value::{
    Described, DeviceMemory, DeviceTensor, MemoryId, Named, NamedValue, NamedValues, OutputSet, Value, joined,
};
