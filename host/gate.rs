//! The gate for components: signatures by trusted keys, known flaws, manifests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scorehost_cli::{AdvisoryPolicy, GateOptions, Level};
use scorehost_control::{Gate, wire};
use scorehost_core::{Digest, ErrorKind, Failure, Grants, Outbound};
use scorehost_registry::Registry;
use scorehost_scorer::{
    Advisories, Finding, Inspection, PublicKey, Severity, Signature, SignatureError, inspect, verify,
};

/// Kind of the registry's documents that hold signatures; the key is the component's digest.
const KIND: &str = "signature";

/// What this host asks of a component.
pub(crate) struct ComponentGate {
    registry: Arc<Registry>,
    trusted: Vec<PublicKey>,
    advisories: Option<PathBuf>,
    policy: AdvisoryPolicy,
    level: Severity,
}

impl ComponentGate {
    /// Reads the keys, and the list of advisories once: a host with a wrong one does not start.
    ///
    /// # Errors
    /// `InvalidInput`, naming the file.
    pub(crate) fn open(options: &GateOptions, registry: &Arc<Registry>) -> Result<Self, Failure> {
        let gate = Self {
            registry: Arc::clone(registry),
            trusted: options.trusted_keys.iter().map(|path| trusted_key(path)).collect::<Result<_, _>>()?,
            advisories: options.advisories.clone(),
            policy: options.advisory_policy,
            level: match options.advisory_level {
                Level::Low => Severity::Low,
                Level::Medium => Severity::Medium,
                Level::High => Severity::High,
                Level::Critical => Severity::Critical,
            },
        };
        gate.advisories()?;
        Ok(gate)
    }

    /// Checks the signature that is kept with a component, where this host asks for one: whenever a service is built, so that
    /// a key that is no longer trusted counts no more from the next start on.
    ///
    /// # Errors
    /// `Forbidden`, saying what is missing.
    pub(crate) fn recheck(&self, component: &Digest) -> Result<(), Failure> {
        if self.trusted.is_empty() {
            return Ok(());
        }
        let kept = self.kept(component)?;
        verify(&self.trusted, component, kept.as_ref())?;
        Ok(())
    }

    /// Forgets the signatures of components that are gone.
    ///
    /// # Errors
    /// Those of the registry.
    pub(crate) fn tidy(&self) -> Result<(), Failure> {
        for (key, _) in self.registry.documents(KIND)? {
            let digest = format!("sha256:{key}").parse::<Digest>();
            let there = digest.is_ok_and(|digest| self.registry.blob_size(&digest).is_ok_and(|size| size.is_some()));
            if !there {
                self.registry.delete_document(KIND, &key)?;
            }
        }
        Ok(())
    }

    fn kept(&self, component: &Digest) -> Result<Option<Signature>, Failure> {
        let document = self.registry.document(KIND, &component.hex())?;
        Ok(document.and_then(|text| String::from_utf8(text).ok()?.parse().ok()))
    }

    fn advisories(&self) -> Result<Advisories, Failure> {
        let Some(path) = &self.advisories else { return Ok(Advisories::default()) };
        let text = fs::read_to_string(path).map_err(|error| unreadable("the list of advisories", path, &error))?;
        Ok(Advisories::parse(&text)?)
    }

    /// The warnings about known flaws, or the refusal.
    fn judge(&self, inspection: &Inspection) -> Result<Vec<String>, Failure> {
        if self.advisories.is_none() {
            return Ok(Vec::new());
        }
        let Some(dependencies) = &inspection.dependencies else {
            return Ok(vec!["the scorer does not list its packages: known flaws cannot be told".to_owned()]);
        };
        let found = self.advisories()?.find(dependencies);
        let flaws: Vec<String> = found.iter().filter(|finding| finding.severity >= self.level).map(described).collect();
        if flaws.is_empty() || self.policy == AdvisoryPolicy::Warn {
            return Ok(flaws);
        }
        let message = format!("the scorer contains what this host refuses:\n  {}", flaws.join("\n  "));
        Err(Failure::new(ErrorKind::Forbidden, message)
            .with_hint("build it with versions that mend them; `scorehost scorer scan` lists them before a deployment"))
    }
}

fn described(finding: &Finding) -> String {
    let Finding { advisory, severity, dependency, fixed, summary } = finding;
    let fixed = fixed.as_ref().map(|fixed| format!("; mended in {fixed}")).unwrap_or_default();
    let (severity, name, version) = (severity.name(), &dependency.name, &dependency.version);
    format!("{name} {version}: {advisory} ({severity}): {summary}{fixed}")
}

impl Gate for ComponentGate {
    fn admit(&self, component: &Digest, signature: Option<&str>) -> Result<Vec<String>, Failure> {
        let given = signature.map(str::parse::<Signature>).transpose()?;
        if let Some(other) = given.as_ref().filter(|given| given.digest() != *component) {
            return Err(SignatureError::Other { signed: other.digest(), digest: *component }.into());
        }
        // The same component may be deployed again without its signature, which is here.
        let signature = given.clone().map_or_else(|| self.kept(component), |given| Ok(Some(given)))?;
        if !self.trusted.is_empty() {
            verify(&self.trusted, component, signature.as_ref())?;
        }
        let warnings = self.judge(&inspect(&self.registry.read_blob(component)?)?)?;
        if let Some(given) = given {
            self.registry.put_document(KIND, &component.hex(), given.to_string().as_bytes())?;
        }
        Ok(warnings)
    }

    fn manifest(&self, component: &Digest, grants: &Grants) -> Result<wire::Manifest, Failure> {
        let inspection = inspect(&self.registry.read_blob(component)?)?;
        let signature = self.kept(component)?;
        let trusted = verify(&self.trusted, component, signature.as_ref()).is_ok();
        let reach = |capability: scorehost_scorer::Capability| wire::Reach {
            name: capability.name.to_owned(),
            given: given(capability.name, grants),
            imports: capability.imports,
        };
        Ok(wire::Manifest {
            world: inspection.world.map(|world| world.name().to_owned()),
            capabilities: inspection.capabilities.into_iter().map(reach).collect(),
            dependencies: inspection.dependencies.map(|dependencies| dependencies.len()),
            signed_by: signature.map(|signature| signature.key().to_owned()),
            trusted,
        })
    }
}

/// What a deployment gives for one capability.
fn given(capability: &str, grants: &Grants) -> String {
    let nothing = match capability {
        "clocks" => !grants.clock,
        "random" => !grants.random,
        "outgoing http" => grants.outbound.is_empty(),
        "services" => grants.services.is_empty(),
        "files" | "network" => true,
        _ => false,
    };
    match capability {
        _ if nothing => "nothing".to_owned(),
        "outgoing http" => grants.outbound.iter().map(place).collect::<Vec<_>>().join(", "),
        "services" => grants.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        _ => "granted".to_owned(),
    }
}

fn place(place: &Outbound) -> String {
    place.port.map_or_else(|| place.host.clone(), |port| format!("{}:{port}", place.host))
}

fn trusted_key(path: &Path) -> Result<PublicKey, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unreadable("the trusted key", path, &error))?;
    PublicKey::from_pem(&text).map_err(|error| Failure::invalid(format!("the trusted key {}: {error}", path.display())))
}

fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::invalid(format!("{what} {} cannot be read: {error}", path.display()))
}
