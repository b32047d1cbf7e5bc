//! Health checks of target groups: the lab asks real nodes, and tells what they answer in AWS's words.

use std::time::{Duration, Instant};

use vmimage_tests::wait::wait_until;

use vmimage_tests::lab::Lab;

use crate::harness::{lab_up, nodes};

/// Intervals of five seconds, several of them, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// A page over TLS at port 443 with a certificate of its own; the answer is the file `ready`.
const SERVE: &str = "mkdir -p /run/answers && cd /run/answers && \
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
        -subj /CN=nobody -keyout key -out cert 2>/dev/null && \
    printf 'HTTP/1.0 200 OK\\r\\n\\r\\nready' >ready && \
    systemd-run --quiet --unit=answers --working-directory=/run/answers \
        openssl s_server -quiet -accept 443 -HTTP -key key -cert cert";

const FAIL: &str = "printf 'HTTP/1.0 503 Not Now\\r\\n\\r\\n' >/run/answers/ready";

/// Asks Elastic Load Balancing of a region.
fn elb(lab: &Lab, region: &str, action: &str, parameters: &[(&str, &str)]) -> String {
    let service = ("elasticloadbalancing", "2015-12-01");
    let answer = lab.query(region, service, action, parameters);
    assert!(!answer.contains("<ErrorResponse"), "{action}: {answer}");
    answer
}

fn ec2(lab: &Lab, region: &str, action: &str) -> String {
    lab.query(region, ("ec2", "2016-11-15"), action, &[])
}

/// What the first element of that name holds; nothing if there is none.
fn element(xml: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let found = xml
        .split_once(&open)
        .and_then(|(_, rest)| rest.split_once(&close));
    found.map_or(String::new(), |(text, _)| text.to_owned())
}

/// The web nodes of a region as targets.
struct Web<'a> {
    lab: &'a Lab,
    region: &'a str,
    group: String,
}

impl<'a> Web<'a> {
    fn of(lab: &'a Lab, region: &'a str) -> Self {
        let found = elb(
            lab,
            region,
            "DescribeTargetGroups",
            &[("Names.member.1", "demo-web")],
        );
        let group = element(&found, "TargetGroupArn");
        let web = Self { lab, region, group };
        web.set("HealthCheckPath", "/ready");
        web
    }

    fn set(&self, setting: &str, value: &str) {
        let parameters = [("TargetGroupArn", self.group.as_str()), (setting, value)];
        elb(self.lab, self.region, "ModifyTargetGroup", &parameters);
    }

    /// A load balancer with a listener that forwards to the group.
    fn forward(&self) {
        let subnets = self.subnets();
        let made = elb(
            self.lab,
            self.region,
            "CreateLoadBalancer",
            &[
                ("Name", "front"),
                ("Subnets.member.1", &subnets[0]),
                ("Subnets.member.2", &subnets[1]),
            ],
        );
        let listener = [
            ("LoadBalancerArn", &*element(&made, "LoadBalancerArn")),
            ("Protocol", "HTTP"),
            ("Port", "80"),
            ("DefaultActions.member.1.Type", "forward"),
            ("DefaultActions.member.1.TargetGroupArn", &self.group),
        ];
        elb(self.lab, self.region, "CreateListener", &listener);
    }

    fn subnets(&self) -> Vec<String> {
        let text = ec2(self.lab, self.region, "DescribeSubnets");
        let parts = text.split("<subnetId>").skip(1);
        parts
            .map(|part| part.split('<').next().unwrap().to_owned())
            .collect()
    }

    /// State, reason and description of its one target.
    fn health(&self) -> [String; 3] {
        let group = [("TargetGroupArn", self.group.as_str())];
        let told = elb(self.lab, self.region, "DescribeTargetHealth", &group);
        ["State", "Reason", "Description"].map(|name| element(&told, name))
    }

    fn wait_for(&self, state: &str, reason: &str, description: &str) {
        let mut last = self.health();
        let expected = [state, reason, description].map(str::to_owned);
        let begun = Instant::now();
        while last != expected {
            assert!(begun.elapsed() < PATIENCE, "{last:?} is not {expected:?}");
            std::thread::park_timeout(Duration::from_millis(200));
            last = self.health();
        }
    }

    fn node(&self, command: &str) {
        let node = format!("{}/web-1", self.region);
        self.lab.done(&["exec", &node, "--", "sh", "-c", command]);
    }
}

#[test]
fn targets_are_as_healthy_as_their_nodes_answer() {
    let lab = lab_up("test-targets");
    let (west, east) = (Web::of(&lab, "eu-west-1"), Web::of(&lab, "us-east-1"));
    let unused = [
        "unused",
        "Target.NotInUse",
        "Target group is not configured to receive traffic from the load balancer",
    ];
    assert_eq!(west.health(), unused.map(str::to_owned));

    // One that answers from the beginning has to do so once, one that does not has to fail twice.
    west.node(SERVE);
    west.forward();
    east.forward();
    assert_eq!(east.health()[0], "initial");
    west.wait_for("healthy", "", "");
    east.wait_for(
        "unhealthy",
        "Target.FailedHealthChecks",
        "Health checks failed",
    );
    let status = lab.status();
    let mut web: Vec<_> = nodes(&status).filter(|node| node.name == "web-1").collect();
    web.sort_by_key(|node| &node.zone);
    let told: Vec<&str> = web.iter().map(|node| node.targets[0].1.as_str()).collect();
    assert_eq!(told, ["healthy", "unhealthy"], "{status:?}");

    east.node(SERVE);
    east.wait_for("healthy", "", "");
    west.node(FAIL);
    west.wait_for(
        "unhealthy",
        "Target.ResponseCodeMismatch",
        "Health checks failed with these codes: [503]",
    );
    // A node that hangs takes connections and says nothing.
    west.node("systemctl kill --signal=STOP answers");
    west.wait_for("unhealthy", "Target.Timeout", "Request timed out");
    assert_eq!(east.health()[0], "healthy", "nobody waits for another");
    // One that is cut off is so for load balancers, too.
    lab.done(&["partition", "us-east-1/web-1"]);
    east.wait_for("unhealthy", "Target.Timeout", "Request timed out");
    lab.done(&["heal"]);
    east.wait_for("healthy", "", "");

    requests_for_what_is_not_simulated_are_logged_once(&lab);

    // The end waits for nobody: the target that hangs may take minutes to answer now.
    west.set("HealthCheckIntervalSeconds", "300");
    west.set("HealthCheckTimeoutSeconds", "120");
    std::thread::park_timeout(Duration::from_secs(2));
    let begun = Instant::now();
    lab.done(&["down"]);
    lab.wait_for_end();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(90), "{took:?}");
}

fn requests_for_what_is_not_simulated_are_logged_once(lab: &Lab) {
    for _ in 0..12 {
        let refused = ec2(lab, "eu-west-1", "DescribeVpnGateways");
        assert!(refused.contains("<Code>InvalidAction</Code>"), "{refused}");
    }
    let said = "not simulated: ec2 DescribeVpnGateways in eu-west-1";
    let mut lines = Vec::new();
    wait_until(
        PATIENCE,
        "the log tells that it was asked for again",
        || {
            let log = lab.log();
            let found = log.lines().filter(|line| line.starts_with(said));
            lines = found.map(str::to_owned).collect();
            let count = lines.last().and_then(|line| {
                let count = line.strip_prefix(said)?.strip_prefix(", asked for ")?;
                count.strip_suffix(" times so far")?.parse().ok()
            });
            count.is_some_and(|count: u64| (10..=12).contains(&count))
        },
    );
    assert!(lines.len() <= 2, "{lines:?}");
}
