use std::time::Duration;

/// Bounds of the management API.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// Distinct models that all running services of this container may use together.
    pub max_models: usize,
    /// Versions of one service.
    pub max_versions: usize,
    /// Bytes of a JSON body.
    pub max_json_bytes: usize,
    /// Bytes of one uploaded file.
    pub max_blob_bytes: u64,
    /// Files of one model.
    pub max_model_files: usize,
    /// Longest time of an operation; afterwards it is `TimedOut` and what ran before runs on.
    pub operation_timeout: Duration,
    /// Longest pause between two parts of an upload.
    pub upload_idle: Duration,
    /// Operations remembered; the oldest finished ones are forgotten first.
    pub max_operations: usize,
    /// `logs?follow=true` streams open at once.
    pub max_followers: usize,
}

impl Default for ControlConfig {
    /// 1000 models, 6 versions a service, JSON of 1 MiB, files of 64 GiB, 10 000 files a model, operations of 10 minutes.
    fn default() -> Self {
        Self {
            max_models: 1000,
            max_versions: 6,
            max_json_bytes: 1 << 20,
            max_blob_bytes: 64 << 30,
            max_model_files: 10_000,
            operation_timeout: Duration::from_secs(600),
            upload_idle: Duration::from_secs(60),
            max_operations: 1000,
            max_followers: 64,
        }
    }
}
