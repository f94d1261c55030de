/// The JSON Schema (draft 7) of `deploymentconfig.json`, as editors and `scorehost schema` have it.
pub const DEPLOYMENT_SCHEMA: &str = include_str!("../../../../docs/reference/schemas/deploymentconfig.schema.json");
