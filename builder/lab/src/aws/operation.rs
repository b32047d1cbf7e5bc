//! Owns what an operation of a service is: its name, the parameters it takes, what it does. Must
//! not know any particular one; each lies beside the object it works on.

use super::error::ApiError;
use super::params::Params;
use super::region::Region;
use super::xml::Xml;
use super::{Caller, Service};

/// One operation. A new one is one entry in its file's `OPERATIONS`.
#[derive(Debug)]
pub(crate) struct Operation {
    /// AWS's name.
    pub(crate) name: &'static str,
    /// Every parameter it knows; others are refused, because a parameter that is silently
    /// ignored here would be obeyed by AWS.
    pub(crate) takes: &'static [Takes],
    /// Whether it changes anything.
    pub(crate) writes: bool,
    /// Does it, and writes the answer's fields.
    pub(crate) handle: Handle,
}

/// Parameters: a structure (empty for the top) and what lies in it, list indexes as `#`.
pub(crate) type Takes = (&'static str, &'static [&'static str]);

/// What an operation does.
pub(crate) type Handle = fn(&mut Region, &Call<'_>, &mut Xml) -> Result<(), ApiError>;

/// The parameter of EC2's operations that asks for nothing to be done.
pub(crate) const DRY_RUN: Takes = ("", &["DryRun"]);
/// EC2's filters.
pub(crate) const FILTERS: Takes = ("Filter.#", &["Name", "Value.#"]);
/// EC2's pages.
pub(crate) const PAGES: Takes = ("", &["MaxResults", "NextToken"]);
/// EC2's tags in a creating call.
pub(crate) const TAG_SPECIFICATIONS: Takes = (
    "TagSpecification.#",
    &["ResourceType", "Tag.#.Key", "Tag.#.Value"],
);

/// What an operation gets to see of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// What was sent.
    pub(crate) params: &'a Params,
    /// Who asks.
    pub(crate) caller: &'a Caller,
}

impl Call<'_> {
    /// Everything is checked, the change comes next: the place where a dry run ends.
    pub(crate) fn proceed(&self) -> Result<(), ApiError> {
        if self.params.boolean("DryRun")? != Some(true) {
            return Ok(());
        }
        let message = "Request would have succeeded, but DryRun flag is set.";
        Err(ApiError::new("DryRunOperation", message).with_status(412))
    }
}

/// The operation called `action`.
pub(crate) fn find(service: Service, action: &str) -> Option<&'static Operation> {
    let tables = match service {
        Service::Ec2 => super::ec2::TABLES,
        Service::AutoScaling => super::autoscaling::TABLES,
        Service::ElbV2 => super::elbv2::TABLES,
        Service::Sts => super::sts::TABLES,
    };
    let mut all = tables.iter().copied().flatten();
    all.find(|operation| operation.name == action)
}

impl Operation {
    /// Refuses parameters that the operation does not know.
    pub(crate) fn check(&self, params: &Params) -> Result<(), ApiError> {
        let mut unknown = None;
        params.names(&mut |name| {
            if !self.knows(name) {
                unknown.get_or_insert_with(|| name.to_owned());
            }
        });
        match unknown {
            None => Ok(()),
            Some(name) => Err(ApiError::new(
                "UnknownParameter",
                format!("The parameter {name} is not recognized"),
            )),
        }
    }

    fn knows(&self, name: &str) -> bool {
        // The last are the parts of a signature in the query string.
        if name == "Action" || name == "Version" || name.starts_with("X-Amz-") {
            return true;
        }
        self.takes.iter().any(|(structure, names)| {
            let inner = if structure.is_empty() {
                Some(name)
            } else {
                name.strip_prefix(structure)
                    .and_then(|rest| rest.strip_prefix('.'))
            };
            let known = |inner: &str| names.iter().any(|known| matches(known, inner));
            inner.is_some_and(known) || is_empty_list(structure, name)
        })
    }
}

/// `Value.#` is also known as `Value`: that is how an empty list is sent.
fn matches(known: &str, name: &str) -> bool {
    known == name || is_empty_list(known, name)
}

fn is_empty_list(list: &str, name: &str) -> bool {
    list.strip_suffix(".#").is_some_and(|list| list == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
    fn nothing(_: &mut Region, _: &Call<'_>, _: &mut Xml) -> Result<(), ApiError> {
        Ok(())
    }

    #[test]
    fn unknown_parameters_are_refused_by_name() {
        let operation = Operation {
            name: "X",
            takes: &[DRY_RUN, FILTERS, ("Data", &["Id.#", "A.B"])],
            writes: false,
            handle: nothing,
        };
        for (body, refused) in [
            ("Action=X&Version=1&DryRun=true&X-Amz-Date=2", None),
            ("Filter.1.Name=a&Filter.2.Value.3=b&Filter=", None),
            ("Data.Id.4=1&Data.Id=&Data.A.B=2", None),
            ("Filter.1.Other=a", Some("Filter.#.Other")),
            ("Data.A=1", Some("Data.A")),
            ("Id.1=1", Some("Id.#")),
        ] {
            let checked = operation.check(&Params::parse(body.as_bytes()).unwrap());
            let name = refused.map(|name| format!("The parameter {name} is not recognized"));
            assert_eq!(checked.err().map(|error| error.message), name, "{body}");
        }
    }

    #[test]
    fn each_operation_is_there_once_and_can_be_found() {
        for (service, tables) in [
            (Service::Ec2, crate::aws::ec2::TABLES),
            (Service::AutoScaling, crate::aws::autoscaling::TABLES),
            (Service::ElbV2, crate::aws::elbv2::TABLES),
            (Service::Sts, crate::aws::sts::TABLES),
        ] {
            let mut names = BTreeSet::new();
            for operation in tables.iter().copied().flatten() {
                assert!(names.insert(operation.name), "{} twice", operation.name);
                assert!(find(service, operation.name).is_some());
                let dry = operation.knows("DryRun");
                assert_eq!(dry, service == Service::Ec2, "{}", operation.name);
            }
        }
        assert!(find(Service::Ec2, "GetCallerIdentity").is_none());
    }
}
