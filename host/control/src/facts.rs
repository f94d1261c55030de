/// What the management API tells about the host it runs in; fixed once `serve` has bound its ports.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Version of the program.
    pub version: String,
    /// Address of the HTTP door, such as `127.0.0.1:8080`.
    pub http: String,
    /// Address of the gRPC door, where it is open.
    pub grpc: Option<String>,
}
