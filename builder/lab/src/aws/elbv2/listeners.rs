//! Owns listeners: what a load balancer does with a port.

use super::tags::parse_tags;
use super::target_groups::target_group_not_found;
use crate::aws::error::ApiError;
use crate::aws::filter::Tags;
use crate::aws::operation::{Call, Operation, Takes};
use crate::aws::page::Page;
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// What a listener is made of.
const LISTENER: Takes = (
    "",
    &[
        "Certificates.#.CertificateArn",
        "DefaultActions.#.FixedResponseConfig.ContentType",
        "DefaultActions.#.FixedResponseConfig.MessageBody",
        "DefaultActions.#.FixedResponseConfig.StatusCode",
        "DefaultActions.#.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds",
        "DefaultActions.#.ForwardConfig.TargetGroupStickinessConfig.Enabled",
        "DefaultActions.#.ForwardConfig.TargetGroups.#.TargetGroupArn",
        "DefaultActions.#.ForwardConfig.TargetGroups.#.Weight",
        "DefaultActions.#.Order",
        "DefaultActions.#.RedirectConfig.Host",
        "DefaultActions.#.RedirectConfig.Path",
        "DefaultActions.#.RedirectConfig.Port",
        "DefaultActions.#.RedirectConfig.Protocol",
        "DefaultActions.#.RedirectConfig.Query",
        "DefaultActions.#.RedirectConfig.StatusCode",
        "DefaultActions.#.TargetGroupArn",
        "DefaultActions.#.Type",
        "Port",
        "Protocol",
        "SslPolicy",
    ],
);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateListener",
        takes: &[
            LISTENER,
            ("", &["LoadBalancerArn"]),
            ("Tags.#", &["Key", "Value"]),
        ],
        writes: true,
        handle: create_listener,
    },
    Operation {
        name: "DescribeListeners",
        takes: &[(
            "",
            &["LoadBalancerArn", "ListenerArns.#", "Marker", "PageSize"],
        )],
        writes: false,
        handle: describe_listeners,
    },
    Operation {
        name: "ModifyListener",
        takes: &[LISTENER, ("", &["ListenerArn"])],
        writes: true,
        handle: modify_listener,
    },
    Operation {
        name: "DeleteListener",
        takes: &[("", &["ListenerArn"])],
        writes: true,
        handle: delete_listener,
    },
];

/// A listener.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) arn: String,
    pub(crate) load_balancer: String,
    port: u16,
    protocol: String,
    /// Certificates, policy and actions, as they were sent.
    settings: Params,
    pub(crate) tags: Tags,
}

impl Listener {
    /// The target groups that it forwards to.
    pub(crate) fn target_groups(&self) -> impl Iterator<Item = &str> {
        targets_of(&self.settings)
    }
}

fn targets_of(settings: &Params) -> impl Iterator<Item = &str> {
    settings
        .list("DefaultActions")
        .into_iter()
        .flat_map(|action| {
            let weighted = action.list("ForwardConfig.TargetGroups").into_iter();
            let weighted = weighted.filter_map(|entry| entry.get("TargetGroupArn"));
            action.get("TargetGroupArn").into_iter().chain(weighted)
        })
}

/// What is kept as it was sent.
fn settings(params: &Params) -> Params {
    params.only(|name| ["Certificates", "SslPolicy", "DefaultActions"].contains(&name))
}

fn check_settings(region: &Region, protocol: &str, settings: &Params) -> Result<(), ApiError> {
    if settings.list("DefaultActions").is_empty() {
        return Err(ApiError::missing("DefaultActions"));
    }
    for action in settings.list("DefaultActions") {
        let kind = action.required("Type")?;
        if !["forward", "redirect", "fixed-response"].contains(&kind) {
            let text = format!("Action type '{kind}' is not part of this simulation");
            return Err(ApiError::new("InvalidLoadBalancerAction", text));
        }
    }
    for arn in targets_of(settings) {
        let group = region.balancing.target_groups.get(arn);
        let group = group.ok_or_else(target_group_not_found)?;
        if protocol.starts_with("HTTP") != group.protocol.starts_with("HTTP") {
            return Err(ApiError::new(
                "IncompatibleProtocols",
                format!(
                    "The target group '{arn}' does not support the protocol '{protocol}' of the \
                     listener"
                ),
            ));
        }
    }
    let needs_certificate = protocol == "HTTPS" || protocol == "TLS";
    if needs_certificate && settings.list("Certificates").is_empty() {
        return Err(ApiError::new(
            "CertificateNotFound",
            format!("A certificate must be specified for {protocol} listeners"),
        ));
    }
    Ok(())
}

fn check_protocol(load_balancer: &str, protocol: &str) -> Result<(), ApiError> {
    let known: &[&str] = if load_balancer.contains("/app/") {
        &["HTTP", "HTTPS"]
    } else {
        &["TCP", "TLS", "UDP", "TCP_UDP"]
    };
    if known.contains(&protocol) {
        return Ok(());
    }
    Err(ApiError::new(
        "UnsupportedProtocol",
        format!("Protocol '{protocol}' is not supported by this load balancer"),
    ))
}

fn check_port(region: &Region, balancer: &str, port: u16, own: &str) -> Result<(), ApiError> {
    let mut listeners = region.balancing.listeners.values();
    let is_taken =
        listeners.any(|one| one.load_balancer == balancer && one.port == port && one.arn != own);
    if is_taken {
        return Err(ApiError::new(
            "DuplicateListener",
            format!("A listener already exists on this port for this load balancer '{balancer}'"),
        ));
    }
    Ok(())
}

fn create_listener(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let params = call.params;
    let balancer = region.load_balancer(params.required("LoadBalancerArn")?)?;
    let balancer = balancer.arn.clone();
    let port: u16 = params
        .integer("Port")?
        .filter(|port| *port > 0)
        .ok_or_else(|| ApiError::validation("A listener port must be specified"))?;
    let protocol = params.required("Protocol")?;
    check_protocol(&balancer, protocol)?;
    check_port(region, &balancer, port, "")?;
    let settings = settings(params);
    check_settings(region, protocol, &settings)?;
    let tags = parse_tags(params)?;
    let listener = Listener {
        arn: format!(
            "{}/{}",
            balancer.replacen(":loadbalancer/", ":listener/", 1),
            region.ids.short()
        ),
        load_balancer: balancer,
        port,
        protocol: protocol.to_owned(),
        settings,
        tags,
    };
    xml.list("Listeners", [&listener], write);
    install(region, listener);
    Ok(())
}

/// Puts a listener in its place; what it forwards to is checked from now on.
fn install(region: &mut Region, listener: Listener) {
    let targets: Vec<String> = listener.target_groups().map(str::to_owned).collect();
    let listeners = &mut region.balancing.listeners;
    listeners.insert(listener.arn.clone(), listener);
    for arn in targets {
        region.target_group_used(&arn);
    }
}

fn write(xml: &mut Xml, listener: &Listener) {
    xml.text("ListenerArn", &listener.arn);
    xml.text("LoadBalancerArn", &listener.load_balancer);
    xml.show("Port", listener.port);
    xml.text("Protocol", &listener.protocol);
    xml.tree(&listener.settings);
}

fn not_found(arn: &str) -> ApiError {
    let text = format!("Listener '{arn}' not found");
    ApiError::new("ListenerNotFound", text)
}

fn describe_listeners(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let page = Page::of_elbv2(call.params)?;
    let balancer = call.params.filled("LoadBalancerArn");
    let arns = call.params.strings("ListenerArns");
    match balancer {
        Some(arn) => {
            region.load_balancer(arn)?;
        }
        None if arns.is_empty() => {
            let text = "You must specify either listener ARNs or a load balancer ARN";
            return Err(ApiError::validation(text));
        }
        None => (),
    }
    let listeners = &region.balancing.listeners;
    if let Some(arn) = arns.iter().find(|arn| !listeners.contains_key(**arn)) {
        return Err(not_found(arn));
    }
    let asked = listeners.values().filter(|listener| {
        (arns.is_empty() || arns.contains(&listener.arn.as_str()))
            && balancer.is_none_or(|arn| arn == listener.load_balancer)
    });
    let (shown, next) = page.cut(asked.map(|listener| (&listener.arn, listener)));
    xml.list("Listeners", shown, write);
    xml.maybe("NextMarker", next.as_deref());
    Ok(())
}

fn modify_listener(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let params = call.params;
    let arn = params.required("ListenerArn")?;
    let known = region
        .balancing
        .listeners
        .get(arn)
        .ok_or_else(|| not_found(arn))?;
    let port = params.integer("Port")?.unwrap_or(known.port);
    let protocol = params.filled("Protocol").unwrap_or(&known.protocol);
    check_protocol(&known.load_balancer, protocol)?;
    check_port(region, &known.load_balancer, port, arn)?;
    let changed = Listener {
        arn: arn.to_owned(),
        load_balancer: known.load_balancer.clone(),
        port,
        protocol: protocol.to_owned(),
        settings: known.settings.clone().overlaid(settings(params)),
        tags: known.tags.clone(),
    };
    check_settings(region, &changed.protocol, &changed.settings)?;
    xml.list("Listeners", [&changed], write);
    install(region, changed);
    Ok(())
}

fn delete_listener(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let arn = call.params.required("ListenerArn")?;
    let removed = region.balancing.listeners.remove(arn);
    removed.map(|_| ()).ok_or_else(|| not_found(arn))
}
