//! Owns the whole simulation and what happens to one request: identify, faults, signature, dispatch.
//! Must not do input or output and must not read a clock.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::answer::Answer;
use super::clock::Moment;
use super::credentials::Credentials;
use super::error::ServiceError;
use super::identify::{Identified, identify};
use super::notice::{Notice, Notices};
use super::refusal::refusal;
use super::service::Service;
use super::signature::{self, Fault as SignatureFault};
use super::strike;
use crate::aws::{Aws, RegionSettings, Settings};
use crate::fault::{After, Before, Decision, Fault, FaultError, Faults, Target};
use crate::random::Random;
use crate::s3::S3;
use crate::ssm::Ssm;

/// The largest body: of an object or a part of one, with room for what backups put in one piece, and
/// of anything else.
const MOST_OBJECT_BYTES: usize = 64 * 1_024 * 1_024;
const MOST_BYTES: usize = 1_024 * 1_024;
/// What chunk headers and signatures may add to an object.
const MOST_FRAMING_BYTES: usize = 1_024 * 1_024;
/// 2026-01-01T00:00:00Z.
const EXAMPLE_START: Duration = Duration::from_hours(490_896);

/// A simulated account with all its regions and services.
#[derive(Debug)]
pub struct Cloud {
    pub(super) aws: Aws,
    pub(super) ssm: Ssm,
    pub(super) s3: S3,
    pub(super) credentials: Credentials,
    pub(super) account_id: String,
    pub(super) regions: Vec<String>,
    pub(super) start: Duration,
    faults: Faults,
    shaped: Shaped,
    random: Random,
    notices: Notices,
}

/// What faults have made of the account, to see when it changes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shaped {
    lags: Vec<Duration>,
    capacities: Vec<(String, usize)>,
    unoffered: BTreeSet<(String, String)>,
}

/// What goes back to a client, and how.
#[derive(Debug)]
pub struct Reply {
    /// The response; on HEAD its body is not sent.
    pub response: Response<Bytes>,
    /// How it is delivered.
    pub delivery: Delivery,
}

/// How a response is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// After how long.
    pub delay: Duration,
    /// Only so many bytes of the body; then the connection is closed.
    pub cut: Option<usize>,
    /// Not at all: the connection is closed.
    pub close: bool,
}

impl Cloud {
    /// An account as it is when it is opened. `start` is the start of the simulation since 1970.
    pub fn new(settings: Settings, start: Duration) -> Self {
        let (seed, account_id) = (settings.seed, settings.account_id.clone());
        let regions = settings
            .regions
            .iter()
            .map(|region| region.name.clone())
            .collect();
        let mut aws = Aws::new(settings);
        aws.set_start(start);
        Self {
            aws,
            ssm: Ssm::default(),
            s3: S3::new(seed),
            credentials: Credentials::new(&account_id, seed),
            account_id,
            regions,
            start,
            faults: Faults::new(seed),
            shaped: Shaped::default(),
            random: Random::new(seed ^ 0x0069_6473),
            notices: Notices::default(),
        }
    }

    /// An account with two regions of three zones, for tests and examples.
    pub fn example(seed: u64) -> Self {
        let region = |(name, octet): (&str, u8)| RegionSettings {
            name: name.to_owned(),
            vpc: [10, octet],
            zones: 3,
        };
        let settings = Settings {
            account_id: "123456789012".to_owned(),
            seed,
            regions: [("us-east-1", 1), ("eu-west-1", 2)].map(region).to_vec(),
        };
        Self::new(settings, EXAMPLE_START)
    }

    /// EC2, Auto Scaling, load balancing.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The same, for the outside to report what becomes of machines.
    pub fn aws_mut(&mut self) -> &mut Aws {
        &mut self.aws
    }

    /// What an object of S3 holds now.
    pub fn object(&self, bucket: &str, key: &str) -> Option<&[u8]> {
        self.s3.object(bucket, key)
    }

    /// The access keys.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The same, to issue keys of roles.
    pub fn credentials_mut(&mut self) -> &mut Credentials {
        &mut self.credentials
    }

    /// The faults, to list them.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The same, for what strikes metadata services. Clear with [`Cloud::clear_fault`] or
    /// [`Cloud::clear_faults`].
    pub fn faults_mut(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Adds a fault from now on; gives its number.
    pub fn add_fault(&mut self, fault: Fault, now: Duration) -> Result<u32, FaultError> {
        if let Some(region) = &fault.region
            && !self.regions.contains(region)
        {
            return Err(FaultError::UnknownRegion(region.clone()));
        }
        let id = self.faults.add(fault, now);
        self.shape(now);
        Ok(id)
    }

    /// Ends a fault; says whether there was one of that number.
    pub fn clear_fault(&mut self, id: u32, now: Duration) -> bool {
        let cleared = self.faults.clear(id);
        self.shape(now);
        cleared
    }

    /// Ends all faults; says how many there were.
    pub fn clear_faults(&mut self, now: Duration) -> usize {
        let cleared = self.faults.clear_all();
        self.shape(now);
        cleared
    }

    /// Lets everything happen that is due until `now`.
    pub fn advance(&mut self, now: Duration) {
        self.shape(now);
        self.aws.advance(now);
    }

    /// When something is due next.
    pub fn next_due(&self, now: Duration) -> Option<Duration> {
        [self.aws.next_due(), self.faults.next_due(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// What there is to know since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.take()
    }

    /// Answers one request. `head` is as it came; `body` is whole.
    pub fn respond(&mut self, head: &Parts, body: &[u8], moment: Moment) -> Reply {
        self.advance(moment.now);
        let request_id = self.request_id();
        let asked = identify(head, body);
        if body.len() > body_limit(head) {
            return self.too_large(head);
        }
        let target = Target {
            service: asked.service,
            action: &asked.action,
            region: &asked.region,
        };
        let decision = self.faults.decide(target, moment.now);
        if decision.before == Some(Before::Close) {
            return closed(decision.delay);
        }
        let result = match decision.before {
            Some(Before::Throttle) => Err(strike::throttled(asked.service)),
            Some(Before::Conflict) => Err(strike::conflict()),
            Some(Before::Fail | Before::Close) => Err(strike::failed(asked.service)),
            None => self.execute(head, body, &asked, &request_id, moment),
        };
        // After the effect, which is what makes it hard for clients.
        let result = match decision.after {
            Some(After::Fail) => Err(strike::failed(asked.service)),
            Some(After::Close | After::Cut(_)) | None => result,
        };
        let answer =
            result.unwrap_or_else(|error| Answer::error(asked.service, &error, &request_id));
        deliver(answer.into_response(asked.service, &request_id), decision)
    }

    /// The answer to a body that is larger than [`body_limit`], without reading it.
    pub(super) fn too_large(&mut self, head: &Parts) -> Reply {
        let service = identify(head, b"").service;
        let code = match service {
            Service::S3 => "EntityTooLarge",
            Service::Ssm => "RequestEntityTooLargeException",
            Service::Ec2 | Service::AutoScaling | Service::ElbV2 | Service::Sts => {
                "RequestEntityTooLarge"
            }
        };
        let message = "Your proposed upload exceeds the maximum allowed size";
        let error = ServiceError::new(code, 413, message);
        let request_id = self.request_id();
        let answer = Answer::error(service, &error, &request_id);
        deliver(
            answer.into_response(service, &request_id),
            Decision::default(),
        )
    }

    fn execute(
        &mut self,
        head: &Parts,
        body: &[u8],
        asked: &Identified,
        request_id: &str,
        moment: Moment,
    ) -> Result<Answer, ServiceError> {
        let refuse = |fault: &SignatureFault| refusal(asked.service, fault);
        let claim = asked
            .claim
            .as_ref()
            .map_err(|missing| refuse(&SignatureFault::NoClaim(missing.clone())))?;
        if let Some(name) = &asked.unknown_service {
            self.note(name, &asked.action, &asked.region);
            let message = format!("The lab does not simulate the service `{name}`");
            return Err(ServiceError::new("UnknownService", 400, message));
        }
        let verified =
            signature::verify(head, body, asked.service, claim, &self.credentials, moment)
                .map_err(|fault| refuse(&fault))?;
        let region = self.region(asked).map_err(|fault| refuse(&fault))?;
        self.dispatch(&super::dispatch::Verified {
            head,
            asked,
            region: &region,
            key: &verified.key,
            body: &verified.body,
            trailers: &verified.trailers,
            request_id,
            moment,
        })
    }

    /// The region that a request is for; only STS answers outside the regions of this lab.
    fn region(&self, asked: &Identified) -> Result<String, SignatureFault> {
        if self.regions.contains(&asked.region) {
            return Ok(asked.region.clone());
        }
        match self.regions.first() {
            Some(first) if asked.service == Service::Sts => Ok(first.clone()),
            Some(_) | None => Err(SignatureFault::Region(asked.region.clone())),
        }
    }

    pub(super) fn note(&mut self, service: &str, action: &str, region: &str) {
        self.notices.add(service, action, region);
    }

    /// Gives the account the lags, capacities and offers that the faults ask for now.
    fn shape(&mut self, now: Duration) {
        let shaped = Shaped {
            lags: self
                .regions
                .iter()
                .map(|region| self.faults.stale(region, now))
                .collect(),
            capacities: self.faults.capacities(now),
            unoffered: self.faults.unoffered(now),
        };
        if shaped == self.shaped || (self.shaped == Shaped::default() && shaped.is_nothing()) {
            return;
        }
        for (region, lag) in self.regions.iter().zip(&shaped.lags) {
            self.aws.set_stale(region, *lag);
        }
        for (zone, limit) in changes(&self.shaped.capacities, &shaped.capacities) {
            if let Some(region) = self.regions.iter().find(|region| zone.starts_with(*region)) {
                self.aws.set_capacity(region, &zone, limit);
            }
        }
        if shaped.unoffered != self.shaped.unoffered {
            for region in &self.regions {
                let own = shaped.unoffered.iter();
                let own = own.filter(|(zone, _)| zone.starts_with(region)).cloned();
                self.aws.set_unoffered(region, own.collect());
            }
        }
        self.shaped = shaped;
    }

    fn request_id(&mut self) -> String {
        let (high, low) = (self.random.next(), self.random.next());
        let text = format!("{high:016x}{low:016x}");
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
    }
}

impl Shaped {
    fn is_nothing(&self) -> bool {
        self.capacities.is_empty()
            && self.unoffered.is_empty()
            && self.lags.iter().all(Duration::is_zero)
    }
}

/// Zones whose limit is another one now; `None` lifts it.
fn changes(before: &[(String, usize)], after: &[(String, usize)]) -> Vec<(String, Option<usize>)> {
    let lifted = before
        .iter()
        .filter(|(zone, _)| !after.iter().any(|(other, _)| other == zone));
    let lifted = lifted.map(|(zone, _)| (zone.clone(), None));
    let limited = after
        .iter()
        .map(|(zone, limit)| (zone.clone(), Some(*limit)));
    lifted.chain(limited).collect()
}

/// How large the body of a request may be.
pub(super) fn body_limit(head: &Parts) -> usize {
    match identify(head, b"").service {
        Service::S3 => MOST_OBJECT_BYTES + MOST_FRAMING_BYTES,
        Service::Ec2 | Service::AutoScaling | Service::ElbV2 | Service::Sts | Service::Ssm => {
            MOST_BYTES
        }
    }
}

fn closed(delay: Duration) -> Reply {
    Reply {
        response: Response::new(Bytes::new()),
        delivery: Delivery {
            delay,
            cut: None,
            close: true,
        },
    }
}

fn deliver(response: Response<Bytes>, decision: Decision) -> Reply {
    let cut = match decision.after {
        Some(After::Cut(at)) => Some(at),
        Some(After::Fail | After::Close) | None => None,
    };
    Reply {
        response,
        delivery: Delivery {
            delay: decision.delay,
            cut,
            close: decision.after == Some(After::Close),
        },
    }
}
