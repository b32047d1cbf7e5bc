//! Owns the reading of XML bodies. Small trees, bounded, without entities of their own.

use roxmltree::{Document, Node, ParsingOptions};

use super::malformed_xml;
use crate::wire::ServiceError;

/// A thousand keys to delete with all their elements are far fewer.
const MOST_NODES: u32 = 20_000;

/// Reads a body as XML and calls `with` on its root element, which must have this name.
pub(super) fn read<T>(
    body: &[u8],
    root: &str,
    with: impl FnOnce(Node<'_, '_>) -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    let text = str::from_utf8(body).map_err(|_not_text| malformed_xml())?;
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text.trim_start_matches('\u{feff}'), options)
        .map_err(|_broken| malformed_xml())?;
    let element = document.root_element();
    if element.tag_name().name() != root {
        return Err(malformed_xml());
    }
    with(element)
}

/// The child elements of that name.
pub(super) fn children<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The first child of that name.
pub(super) fn child<'a, 'input>(node: Node<'a, 'input>, name: &'a str) -> Option<Node<'a, 'input>> {
    children(node, name).next()
}

/// The text of a child, which is empty when it has none.
pub(super) fn text<'a>(node: Node<'a, '_>, name: &'a str) -> Option<&'a str> {
    child(node, name).map(|child| child.text().unwrap_or(""))
}
