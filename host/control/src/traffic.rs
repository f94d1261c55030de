//! The rules of traffic between versions, and its form as JSON.

use std::collections::BTreeMap;

use scorehost_core::{Shadow, Sticky, Traffic, VersionName};

use crate::catalog::Service;
use crate::{ControlError, wire};

/// How far a sum of percentages may be above 100: what adding decimal fractions in binary costs.
const ROUNDING: f64 = 1e-6;

/// Refuses traffic that names versions that do not exist, or that does not add up.
pub(crate) fn check(service: &Service, traffic: &Traffic) -> Result<(), ControlError> {
    let known = |version: &VersionName| service.version(version).map(drop);
    known(&traffic.default)?;
    let mut sum = 0.0;
    for (position, (version, percent)) in traffic.split.iter().enumerate() {
        known(version)?;
        if *version == traffic.default {
            return Err(ControlError::SplitDefault { version: version.clone() });
        }
        if traffic.split[..position].iter().any(|(other, _)| other == version) {
            return Err(ControlError::SplitTwice { version: version.clone() });
        }
        check_percent(version, *percent)?;
        sum += percent;
    }
    if sum > 100.0 + ROUNDING {
        return Err(ControlError::PercentSum { sum });
    }
    traffic.control.iter().try_for_each(known)?;
    if let Some(Shadow { version, percent }) = &traffic.shadow {
        known(version)?;
        check_percent(version, *percent)?;
        if *version == traffic.default {
            return Err(ControlError::ShadowDefault { version: version.clone() });
        }
    }
    match &traffic.sticky {
        Some(Sticky::Header(header)) => check_header(header),
        Some(Sticky::Caller) | None => Ok(()),
    }
}

fn check_percent(version: &VersionName, percent: f64) -> Result<(), ControlError> {
    if (0.0..=100.0).contains(&percent) {
        return Ok(());
    }
    Err(ControlError::Percent { version: version.clone(), percent })
}

fn check_header(header: &str) -> Result<(), ControlError> {
    match http::HeaderName::from_bytes(header.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(ControlError::Header { header: header.chars().take(64).collect() }),
    }
}

/// Gives a version its percentage; 0 takes it out of the split.
pub(crate) fn give(traffic: &mut Traffic, version: &VersionName, percent: f64) {
    traffic.split.retain(|(other, _)| other != version);
    if percent != 0.0 {
        traffic.split.push((version.clone(), percent));
    }
}

/// Makes a version the default. It gets what the others leave, so its own percentage goes; so does its shadow.
pub(crate) fn promote(traffic: &mut Traffic, version: &VersionName) {
    give(traffic, version, 0.0);
    traffic.default = version.clone();
    traffic.shadow.take_if(|shadow| shadow.version == *version);
}

/// Takes a version that goes out of everything that names it.
pub(crate) fn withdraw(traffic: &mut Traffic, version: &VersionName) {
    give(traffic, version, 0.0);
    traffic.control.take_if(|control| control == version);
    traffic.shadow.take_if(|shadow| shadow.version == *version);
}

/// Percent of the requests that a version gets.
pub(crate) fn percent(traffic: &Traffic, version: &VersionName) -> f64 {
    let share =
        |version: &VersionName| traffic.split.iter().find(|(other, _)| other == version).map(|(_, share)| *share);
    if *version == traffic.default {
        let others: f64 = traffic.split.iter().map(|(_, share)| share).sum();
        return (100.0 - others).max(0.0);
    }
    share(version).unwrap_or(0.0)
}

/// The version that the others are compared with.
pub(crate) fn control(traffic: &Traffic) -> &VersionName {
    traffic.control.as_ref().unwrap_or(&traffic.default)
}

/// Traffic as JSON.
pub(crate) fn shown(traffic: &Traffic) -> wire::Traffic {
    wire::Traffic {
        default: Some(traffic.default.to_string()),
        split: traffic.split.iter().map(|(version, percent)| (version.to_string(), *percent)).collect(),
        control: traffic.control.as_ref().map(ToString::to_string),
        sticky: traffic.sticky.as_ref().map(|sticky| match sticky {
            Sticky::Header(header) => wire::Sticky::Header(header.clone()),
            Sticky::Caller => wire::Sticky::Caller,
        }),
        shadow: traffic
            .shadow
            .as_ref()
            .map(|shadow| wire::Shadow { version: shadow.version.to_string(), percent: shadow.percent }),
    }
}

/// Traffic from JSON; `current` is the default version where none is named.
pub(crate) fn read(asked: wire::Traffic, current: &VersionName) -> Result<Traffic, scorehost_core::IdError> {
    let shares = |split: BTreeMap<String, f64>| {
        let named = split.into_iter().filter(|(_, percent)| *percent != 0.0);
        named.map(|(version, percent)| Ok((version.parse()?, percent))).collect::<Result<_, _>>()
    };
    Ok(Traffic {
        default: asked.default.map_or_else(|| Ok(current.clone()), |version| version.parse())?,
        split: shares(asked.split)?,
        control: asked.control.map(|version| version.parse()).transpose()?,
        sticky: asked.sticky.map(|sticky| match sticky {
            wire::Sticky::Header(header) => Sticky::Header(header.to_ascii_lowercase()),
            wire::Sticky::Caller => Sticky::Caller,
        }),
        shadow: match asked.shadow.filter(|shadow| shadow.percent != 0.0) {
            Some(shadow) => Some(Shadow { version: shadow.version.parse()?, percent: shadow.percent }),
            None => None,
        },
    })
}

#[cfg(test)]
mod tests;
