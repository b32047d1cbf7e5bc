//! Owns the data volume of a slot: attaching it, making a file system where there is certainly
//! nothing, mounting it. What is on a volume is never overwritten.

use firstboot::program::flag;

use super::peers::describe;
use super::{Operation, conditions, joined, raw, script, text};
use crate::definition::{BootStep, Template};

/// Makes the file system and mounts it; it is in the image (recipes/firstboot-launch).
const MOUNT: &str = "/usr/lib/vmimage/volume";

/// Succeeds when its input names one volume; says `$0` otherwise.
const ONE: &str = "[ `grep -o '<volumeId>[^<]*'|sort -u|wc -l` = 1 ]||{ echo $0;exit 1;}";

pub(super) fn volume(step: &BootStep, mount: &str, filesystem: &str) -> Vec<Operation> {
    let id = step.sets.as_deref().unwrap_or("vmimage.volume");
    let fact = |of: &str| format!("{id}.{of}");
    let [status, holder, body, code, mine, tried] =
        ["status", "holder", "body", "code", "mine", "tried"].map(fact);
    let described = Operation::request(
        "ec2",
        "{{region}}",
        Template::default(),
        describe(
            "DescribeVolumes",
            "{{role}}",
            "Filter.3.Name=tag:vmimage:slot&Filter.3.Value.1={{slot}}",
        ),
        &["<volumeId>", "<instanceId>", "*"],
    );
    let is_one = script(
        "sh",
        "-c",
        ONE,
        vec![text("slot {{slot}} has no data volume, or several")],
    );
    let attach = Operation::request(
        "ec2",
        "{{region}}",
        Template::default(),
        text(&format!(
            "data = \"Version=2016-11-15&Action=AttachVolume&VolumeId={{{{{id}}}}}&InstanceId={{{{instance}}}}&Device=/dev/sdf\"\n"
        )),
        &["<Code>"],
    );
    let about = text(&format!(
        "{{{{{id}}}}} at this instance, but at {{{{{holder}}}}} {{{{{code}}}}}"
    ));
    let is = |fact: &str| text(&format!("{{{{{fact}}}}}"));
    let arguments = vec![
        Template::text(MOUNT),
        is(id),
        Template::text(mount),
        Template::text(filesystem),
    ];
    let mounted = Operation::run(arguments, Template::default());
    vec![
        described.sets(&[&status, id, &holder, &body]),
        Operation::run(is_one, joined([raw(&body)])),
        // Between being taken from one instance and given to another a volume is in no state for
        // either: what was answered is said if that lasts.
        attach
            .sets(&[&tried, &code])
            .flags(flag::MAY_FAIL)
            .when(&[&format!("!{holder}")]),
        Operation::compare(&mine, is(&holder), text("{{instance}}")),
        Operation::repeat(conditions(&[&mine]), 4, about),
        mounted.title(&step.name),
    ]
}
