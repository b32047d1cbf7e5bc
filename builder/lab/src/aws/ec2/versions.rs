//! Owns the versions of launch templates: making them (with what they inherit), listing them,
//! deleting them. They are numbered without a gap and never change.

use super::template_data::{DATA, decode_user_data, write_data};
use super::templates::{NAMED, Template, Version};
use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES};
use crate::aws::page::Page;
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// AWS's quota of versions of a template.
pub(crate) const VERSIONS_AT_MOST: usize = 10_000;
/// AWS's largest page of versions, and the most that one call names or deletes.
const PAGE_AT_MOST: usize = 200;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateLaunchTemplateVersion",
        takes: &[
            DRY_RUN,
            NAMED,
            (
                "",
                &[
                    "SourceVersion",
                    "VersionDescription",
                    "ClientToken",
                    "ResolveAlias",
                ],
            ),
            ("LaunchTemplateData", DATA),
        ],
        writes: true,
        handle: create_launch_template_version,
    },
    Operation {
        name: "DescribeLaunchTemplateVersions",
        takes: &[
            DRY_RUN,
            NAMED,
            FILTERS,
            PAGES,
            (
                "",
                &[
                    "LaunchTemplateVersion.#",
                    "MinVersion",
                    "MaxVersion",
                    "ResolveAlias",
                ],
            ),
        ],
        writes: false,
        handle: describe_launch_template_versions,
    },
    Operation {
        name: "DeleteLaunchTemplateVersions",
        takes: &[DRY_RUN, NAMED, ("", &["LaunchTemplateVersion.#"])],
        writes: true,
        handle: delete_launch_template_versions,
    },
];

fn create_launch_template_version(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let template = region.templates.named(params)?;
    let token = region
        .tokens
        .made_before("CreateLaunchTemplateVersion", call)?;
    if let Some(number) = token {
        let version = template.version(&number)?;
        xml.within("launchTemplateVersion", |xml| {
            write_version(xml, template, version);
        });
        return Ok(());
    }
    let own = params.node("LaunchTemplateData").cloned();
    let own = own.ok_or_else(|| ApiError::missing("LaunchTemplateData"))?;
    decode_user_data(&own)?;
    let data = match params.filled("SourceVersion") {
        None => own,
        Some(source) => template.version(source)?.data.clone().overlaid(own),
    };
    if template.versions.len() >= VERSIONS_AT_MOST {
        return Err(ApiError::new(
            "MaxTemplateVersionLimitExceeded",
            format!(
                "The maximum of {VERSIONS_AT_MOST} versions of launch template {} is reached",
                template.id
            ),
        ));
    }
    call.proceed()?;
    let id = template.id.clone();
    let mut version = Version {
        number: 0,
        description: params.filled("VersionDescription").map(str::to_owned),
        created: region.time_text(),
        created_at: region.now,
        created_by: call.caller.arn.clone(),
        data,
    };
    let Some(template) = region.templates.get_mut(&id) else {
        return Ok(());
    };
    template.last += 1;
    version.number = template.last;
    let number = version.number;
    template.versions.insert(number, version);
    let template = region.templates.named(params)?;
    let made = template.version(&number.to_string())?;
    xml.within("launchTemplateVersion", |xml| {
        write_version(xml, template, made);
    });
    let number = number.to_string();
    region
        .tokens
        .remember("CreateLaunchTemplateVersion", call, &number);
    Ok(())
}

fn write_version(xml: &mut Xml, template: &Template, version: &Version) {
    xml.text("launchTemplateId", &template.id);
    xml.text("launchTemplateName", &template.name);
    xml.show("versionNumber", version.number);
    xml.maybe("versionDescription", version.description.as_deref());
    xml.text("createTime", &version.created);
    xml.text("createdBy", &version.created_by);
    let is_default = *template.default.get() == version.number;
    xml.show("defaultVersion", is_default);
    xml.within("launchTemplateData", |xml| write_data(xml, &version.data));
}

const FILTER_NAMES: &[&str] = &[
    "create-time",
    "image-id",
    "instance-type",
    "is-default-version",
    "ebs-optimized",
    "iam-instance-profile",
    "key-name",
    "http-tokens",
    "http-endpoint",
];

fn describe_launch_template_versions(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let filters = Filters::parse(params, FILTER_NAMES)?;
    let mut page = Page::of_ec2(params, &(1..=PAGE_AT_MOST))?;
    page.limit(PAGE_AT_MOST);
    let versions = if params.has("LaunchTemplateId") || params.has("LaunchTemplateName") {
        versions_of(region.templates.named(params)?, params)?
    } else {
        versions_of_all(region, params)?
    };
    let view = region.view();
    let accepted = versions.into_iter().filter(|(template, version)| {
        version.created_at <= view && accepts(&filters, template, version)
    });
    // The newest version of a template comes first.
    let key = |template: &Template, version: &Version| {
        format!("{} {:020}", template.id, u64::MAX - version.number)
    };
    let keyed = accepted.map(|(template, version)| (key(template, version), (template, version)));
    let (versions, next) = page.cut(keyed);
    xml.list(
        "launchTemplateVersionSet",
        versions,
        |xml, (template, version)| write_version(xml, template, version),
    );
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

type Listed<'t> = Vec<(&'t Template, &'t Version)>;

/// The versions that are asked for by number, or those within the bounds; newest first.
fn versions_of<'t>(template: &'t Template, params: &Params) -> Result<Listed<'t>, ApiError> {
    let named = params.strings("LaunchTemplateVersion");
    if named.is_empty() {
        let least: u64 = params.integer("MinVersion")?.unwrap_or(1);
        let most: u64 = params.integer("MaxVersion")?.unwrap_or(u64::MAX);
        let versions = template.versions.values().rev();
        let within = versions.filter(|one| (least..=most).contains(&one.number));
        return Ok(within.map(|version| (template, version)).collect());
    }
    check_count(named.len())?;
    let found: Result<Vec<&Version>, ApiError> =
        named.iter().map(|text| template.version(text)).collect();
    let mut versions = found?;
    versions.sort_by_key(|version| u64::MAX - version.number);
    versions.dedup_by_key(|version| version.number);
    Ok(versions
        .into_iter()
        .map(|version| (template, version))
        .collect())
}

/// Of all templates only the latest and the default version can be asked for.
fn versions_of_all<'r>(region: &'r Region, params: &Params) -> Result<Listed<'r>, ApiError> {
    let named = params.strings("LaunchTemplateVersion");
    let by_word = |text: &&str| *text == "$Latest" || *text == "$Default";
    if named.is_empty() || !named.iter().all(by_word) {
        return Err(ApiError::missing("LaunchTemplateId or LaunchTemplateName"));
    }
    let mut listed = Vec::new();
    for template in region.templates.iter() {
        listed.extend(versions_of(template, params)?);
    }
    Ok(listed)
}

fn check_count(count: usize) -> Result<(), ApiError> {
    if count <= PAGE_AT_MOST {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "The number of launch template versions ({count}) exceeds the limit of {PAGE_AT_MOST}"
    )))
}

fn accepts(filters: &Filters, template: &Template, version: &Version) -> bool {
    let data = &version.data;
    filters.accept(&Tags::new(), |name, test| {
        let parameter = match name {
            "create-time" => return test(&version.created),
            "is-default-version" => {
                let is_default = *template.default.get() == version.number;
                return test(if is_default { "true" } else { "false" });
            }
            "image-id" => "ImageId",
            "instance-type" => "InstanceType",
            "ebs-optimized" => "EbsOptimized",
            "iam-instance-profile" => "IamInstanceProfile.Arn",
            "key-name" => "KeyName",
            "http-tokens" => "MetadataOptions.HttpTokens",
            _ => "MetadataOptions.HttpEndpoint",
        };
        data.get(parameter).into_iter().for_each(test);
    })
}

fn delete_launch_template_versions(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let template = region.templates.named(call.params)?;
    let named = call.params.strings("LaunchTemplateVersion");
    if named.is_empty() {
        return Err(ApiError::missing("LaunchTemplateVersion"));
    }
    check_count(named.len())?;
    call.proceed()?;
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for text in named {
        let number: u64 = text.parse().unwrap_or_default();
        if *template.default.get() == number {
            let text = format!("Cannot delete default version {number} of the launch template");
            kept.push((number, "unexpectedError", text));
        } else if template.versions.contains_key(&number) && !deleted.contains(&number) {
            deleted.push(number);
        } else {
            let text = format!("The launch template version {text} does not exist");
            kept.push((number, "launchTemplateVersionDoesNotExist", text));
        }
    }
    let (id, name) = (template.id.clone(), template.name.clone());
    if let Some(template) = region.templates.get_mut(&id) {
        template
            .versions
            .retain(|number, _| !deleted.contains(number));
    }
    let write_names = |xml: &mut Xml, number: u64| {
        xml.text("launchTemplateId", &id);
        xml.text("launchTemplateName", &name);
        xml.show("versionNumber", number);
    };
    let successes = "successfullyDeletedLaunchTemplateVersionSet";
    xml.list(successes, deleted, write_names);
    let failures = "unsuccessfullyDeletedLaunchTemplateVersionSet";
    xml.list(failures, kept, |xml, (number, code, text)| {
        write_names(xml, number);
        xml.within("responseError", |xml| {
            xml.text("code", code);
            xml.text("message", &text);
        });
    });
    Ok(())
}
