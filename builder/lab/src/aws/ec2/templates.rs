//! Owns launch templates: what one is, how it is named and found, and its operations. Its
//! versions lie in `versions.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::tags::specified;
use super::template_data::{DATA, decode_user_data};
use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::history::History;
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES, TAG_SPECIFICATIONS};
use crate::aws::page::Page;
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// AWS's quota of templates in a region.
const TEMPLATES_AT_MOST: usize = 5_000;

/// How a template is named in a request.
pub(crate) const NAMED: (&str, &[&str]) = ("", &["LaunchTemplateId", "LaunchTemplateName"]);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateLaunchTemplate",
        takes: &[
            DRY_RUN,
            TAG_SPECIFICATIONS,
            (
                "",
                &["LaunchTemplateName", "VersionDescription", "ClientToken"],
            ),
            ("LaunchTemplateData", DATA),
        ],
        writes: true,
        handle: create_launch_template,
    },
    Operation {
        name: "DescribeLaunchTemplates",
        takes: &[
            DRY_RUN,
            FILTERS,
            PAGES,
            ("", &["LaunchTemplateId.#", "LaunchTemplateName.#"]),
        ],
        writes: false,
        handle: describe_launch_templates,
    },
    Operation {
        name: "ModifyLaunchTemplate",
        takes: &[
            DRY_RUN,
            NAMED,
            ("", &["ClientToken", "SetDefaultVersion", "DefaultVersion"]),
        ],
        writes: true,
        handle: modify_launch_template,
    },
    Operation {
        name: "DeleteLaunchTemplate",
        takes: &[DRY_RUN, NAMED],
        writes: true,
        handle: delete_launch_template,
    },
];

/// One launch template.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: String,
    pub(crate) created_by: String,
    pub(crate) tags: History<Tags>,
    /// Exists as long as the template does, so it tells since when that is.
    pub(crate) default: History<u64>,
    pub(crate) versions: BTreeMap<u64, Version>,
    /// The highest number that was ever given. Numbers are not used again.
    pub(crate) last: u64,
}

/// One version of a launch template. It never changes.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) description: Option<String>,
    pub(crate) created: String,
    pub(crate) created_at: Duration,
    pub(crate) created_by: String,
    pub(crate) data: Params,
}

/// All launch templates of a region.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    by_id: BTreeMap<String, Template>,
    ids: BTreeMap<String, String>,
}

/// A version of a template, found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'t> {
    pub(crate) template: &'t Template,
    pub(crate) number: u64,
    pub(crate) data: &'t Params,
}

impl Template {
    /// The highest number that there is.
    pub(crate) fn latest(&self) -> u64 {
        self.versions
            .keys()
            .next_back()
            .copied()
            .unwrap_or_default()
    }

    /// The version that `text` names: a number, `$Latest`, `$Default`.
    pub(crate) fn version(&self, text: &str) -> Result<&Version, ApiError> {
        let number = match text {
            "$Latest" => Some(self.latest()),
            "$Default" => Some(*self.default.get()),
            number => number.parse().ok(),
        };
        let Some(number) = number else {
            return Err(ApiError::new(
                "InvalidLaunchTemplateVersion.Malformed",
                format!("Launch template version '{text}' is malformed"),
            ));
        };
        self.versions.get(&number).ok_or_else(|| {
            ApiError::new(
                "InvalidLaunchTemplateId.VersionNotFound",
                format!(
                    "Could not find the specified version {text} for the launch template with ID {}.",
                    self.id
                ),
            )
        })
    }
}

impl Templates {
    /// All of them, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Template> {
        self.by_id.values()
    }

    /// The template with this id, to change.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Template> {
        self.by_id.get_mut(id)
    }

    /// The template that a request names by id or by name, but not both.
    pub(crate) fn named(&self, params: &Params) -> Result<&Template, ApiError> {
        let id = params.filled("LaunchTemplateId");
        let name = params.filled("LaunchTemplateName");
        match (id, name) {
            (Some(id), None) => self.by_id.get(id).ok_or_else(|| no_such_id(id)),
            (None, Some(name)) => {
                let found = self.ids.get(name).and_then(|id| self.by_id.get(id));
                found.ok_or_else(|| no_such_name(name))
            }
            (Some(_), Some(_)) => Err(ApiError::new(
                "InvalidParameterCombination",
                "Specify either a launch template ID or a launch template name, but not both",
            )),
            (None, None) => Err(ApiError::missing("LaunchTemplateId or LaunchTemplateName")),
        }
    }

    /// The version that a launch names: `Version` is `$Default` unless given.
    pub(crate) fn resolve(&self, named: &Params) -> Result<Found<'_>, ApiError> {
        let template = self.named(named)?;
        let version = template.version(named.filled("Version").unwrap_or("$Default"))?;
        Ok(Found {
            template,
            number: version.number,
            data: &version.data,
        })
    }
}

/// No template has this id.
fn no_such_id(id: &str) -> ApiError {
    if id.starts_with("lt-") {
        let text = format!("The specified launch template, with template ID {id}, does not exist.");
        ApiError::new("InvalidLaunchTemplateId.NotFound", text)
    } else {
        let text = format!("Invalid id: \"{id}\" (expecting \"lt-...\")");
        ApiError::new("InvalidLaunchTemplateId.Malformed", text)
    }
}

fn no_such_name(name: &str) -> ApiError {
    let text = format!("The specified launch template, with template name {name}, does not exist.");
    ApiError::new("InvalidLaunchTemplateName.NotFoundException", text)
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"().-/_".contains(&byte);
    if (3..=128).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    let text = "Launch template names must be between 3 and 128 characters long, and may contain \
                letters, numbers, and the following characters: - ( ) . / _";
    Err(ApiError::new(
        "InvalidLaunchTemplateName.MalformedException",
        text,
    ))
}

fn create_launch_template(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    if let Some(id) = region.tokens.made_before("CreateLaunchTemplate", call)? {
        let template = region.templates.by_id.get(&id);
        write_template(xml, template.ok_or_else(|| no_such_id(&id))?);
        return Ok(());
    }
    let name = params.required("LaunchTemplateName")?;
    check_name(name)?;
    let tags = specified(params, "launch-template", &["launch-template"])?;
    let data = params.node("LaunchTemplateData").cloned();
    let data = data.ok_or_else(|| ApiError::missing("LaunchTemplateData"))?;
    decode_user_data(&data)?;
    if region.templates.ids.contains_key(name) {
        let text = format!("Launch template name already in use: {name}.");
        return Err(ApiError::new(
            "InvalidLaunchTemplateName.AlreadyExistsException",
            text,
        ));
    }
    if region.templates.by_id.len() >= TEMPLATES_AT_MOST {
        let text = format!("The maximum of {TEMPLATES_AT_MOST} launch templates is reached");
        return Err(ApiError::new("MaxTemplateLimitExceeded", text));
    }
    call.proceed()?;
    let id = region.ids.resource("lt");
    let first = Version {
        number: 1,
        description: params.filled("VersionDescription").map(str::to_owned),
        created: region.time_text(),
        created_at: region.now,
        created_by: call.caller.arn.clone(),
        data,
    };
    let template = Template {
        id: id.clone(),
        name: name.to_owned(),
        created: region.time_text(),
        created_by: call.caller.arn.clone(),
        tags: History::new(region.now, tags),
        default: History::new(region.now, 1),
        versions: BTreeMap::from([(1, first)]),
        last: 1,
    };
    write_template(xml, &template);
    region.templates.ids.insert(name.to_owned(), id.clone());
    region.tokens.remember("CreateLaunchTemplate", call, &id);
    region.templates.by_id.insert(id, template);
    Ok(())
}

/// Writes a template in an element of its own, as all but the list do.
fn write_template(xml: &mut Xml, template: &Template) {
    xml.within("launchTemplate", |xml| write_fields(xml, template));
}

fn write_fields(xml: &mut Xml, template: &Template) {
    xml.text("launchTemplateId", &template.id);
    xml.text("launchTemplateName", &template.name);
    xml.text("createTime", &template.created);
    xml.text("createdBy", &template.created_by);
    xml.show("defaultVersionNumber", template.default.get());
    xml.show("latestVersionNumber", template.latest());
    xml.tags(template.tags.get());
}

fn describe_launch_templates(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let known = ["launch-template-name", "create-time", "tag"];
    let filters = Filters::parse(call.params, &known)?;
    let page = Page::of_ec2(call.params, &(1..=200))?;
    let view = region.view();
    let ids = call.params.strings("LaunchTemplateId");
    let names = call.params.strings("LaunchTemplateName");
    let templates = &region.templates;
    let is_told = |template: &&Template| template.default.at(view).is_some();
    for id in &ids {
        let found = templates.by_id.get(*id).filter(is_told);
        found.ok_or_else(|| no_such_id(id))?;
    }
    for name in &names {
        let found = templates
            .ids
            .get(*name)
            .and_then(|id| templates.by_id.get(id));
        found.filter(is_told).ok_or_else(|| no_such_name(name))?;
    }
    let accepted = templates.iter().filter(is_told).filter(|template| {
        let asked = ids.contains(&template.id.as_str()) || names.contains(&template.name.as_str());
        (asked || ids.is_empty() && names.is_empty())
            && filters.accept(template.tags.get(), |name, test| match name {
                "launch-template-name" => test(&template.name),
                _ => test(&template.created),
            })
    });
    let (page, next) = page.cut(accepted.map(|template| (&template.id, template)));
    xml.list("launchTemplates", page, write_fields);
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

fn modify_launch_template(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let template = region.templates.named(call.params)?;
    let asked = call.params.filled("SetDefaultVersion");
    let asked = asked.or_else(|| call.params.filled("DefaultVersion"));
    let number = match asked {
        None => *template.default.get(),
        Some(version) => template.version(version)?.number,
    };
    call.proceed()?;
    let (id, now) = (template.id.clone(), region.now);
    if let Some(template) = region.templates.get_mut(&id) {
        template.default.set(now, number);
        write_template(xml, template);
    }
    Ok(())
}

fn delete_launch_template(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let template = region.templates.named(call.params)?;
    call.proceed()?;
    write_template(xml, template);
    let (id, name) = (template.id.clone(), template.name.clone());
    region.templates.by_id.remove(&id);
    region.templates.ids.remove(&name);
    Ok(())
}
