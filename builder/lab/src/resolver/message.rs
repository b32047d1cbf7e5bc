//! Owns DNS messages: a query's bytes in, an answer's bytes out. Must not know which names there are.

use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::message_builder::PushError;
use domain::base::name::Name;
use domain::base::{Message, MessageBuilder, Rtype};
use domain::rdata::{A, Ptr};

use super::{Found, Names};

/// EC2's resolver lets private names live for a minute.
const TTL_SECS: u32 = 60;

/// What every path carries without fragments (DNS flag day 2020).
const UDP_PAYLOAD_BYTES: u16 = 1_232;

/// The answer to one query from a client in the region with the index `asked_in`. `None`: the bytes
/// are no query, and answering them would let two servers talk to each other for ever.
pub fn answer(query: &[u8], names: &Names, asked_in: usize) -> Option<Vec<u8>> {
    let query = Message::from_octets(query).ok()?;
    if query.header().qr() {
        return None;
    }
    build(&query, names, asked_in).ok()
}

fn build(query: &Message<&[u8]>, names: &Names, asked_in: usize) -> Result<Vec<u8>, PushError> {
    let builder = MessageBuilder::new_vec();
    if query.header().opcode() != Opcode::QUERY {
        return Ok(builder.start_answer(query, Rcode::NOTIMP)?.finish());
    }
    let Ok(question) = query.sole_question() else {
        // Repeating questions that cannot be read would fail as well.
        let mut refused = builder;
        *refused.header_mut() = query.header();
        refused.header_mut().set_qr(true);
        refused.header_mut().set_rcode(Rcode::FORMERR);
        return Ok(refused.finish());
    };
    let name = question.qname().to_string();
    let found = if question.qclass() == Class::IN {
        names.look_up(&name, asked_in)
    } else {
        Found::Nothing
    };
    let rcode = match found {
        Found::Nothing => Rcode::NXDOMAIN,
        Found::Addresses(_) | Found::Pointer(_) => Rcode::NOERROR,
    };
    let mut answer = builder.start_answer(query, rcode)?;
    answer.header_mut().set_ra(true);
    match (found, question.qtype()) {
        (Found::Addresses(addresses), Rtype::A | Rtype::ANY) => {
            for address in addresses {
                answer.push((question.qname(), TTL_SECS, A::new(address)))?;
            }
        }
        (Found::Pointer(name), Rtype::PTR | Rtype::ANY) => {
            if let Ok(name) = name.parse::<Name<Vec<u8>>>() {
                answer.push((question.qname(), TTL_SECS, Ptr::new(name)))?;
            }
        }
        // The name exists, but not with such a record.
        (Found::Addresses(_) | Found::Pointer(_) | Found::Nothing, _) => {}
    }
    let mut additional = answer.additional();
    if query.opt().is_some() {
        additional.opt(|opt| {
            opt.set_udp_payload_size(UDP_PAYLOAD_BYTES);
            Ok(())
        })?;
    }
    Ok(additional.finish())
}
