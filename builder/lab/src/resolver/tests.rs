//! Names as a table, and messages as another implementation's client would send them.

use std::net::Ipv4Addr;

use domain::base::iana::Rcode;
use domain::base::name::Name;
use domain::base::{Message, MessageBuilder, Rtype};
use domain::rdata::{A, Ptr};

use super::{Found, Names, answer};
use crate::network::Region;

fn names() -> Names {
    Names::new(&[Region::new("us-east-1", 1), Region::new("eu-west-1", 2)])
}

#[test]
fn names_stand_for_what_a_vpc_says() {
    let table = [
        ("autoscaling.eu-west-1.amazonaws.com", Some("10.2.0.3")),
        ("s3.us-east-1.amazonaws.com", Some("10.1.0.3")),
        ("bucket.s3.us-east-1.amazonaws.com", Some("10.1.0.3")),
        ("EC2.eu-west-1.AmazonAWS.com.", Some("10.2.0.3")),
        ("sts.amazonaws.com", Some("10.2.0.3")),
        ("my-bucket-7.s3.amazonaws.com", Some("10.2.0.3")),
        ("ec2.ap-south-1.amazonaws.com", None),
        ("ip-10-1-0-10.ec2.internal", Some("10.1.0.10")),
        ("ip-10-2-0-10.eu-west-1.compute.internal", Some("10.2.0.10")),
        ("ip-10-1-0-10.eu-west-1.compute.internal", None),
        ("ip-10-2-0-3.eu-west-1.compute.internal", None),
        ("ip-10-2-0-010.eu-west-1.compute.internal", None),
        ("ip-10-2-0.10.eu-west-1.compute.internal", None),
        ("amazonaws.com", None),
        ("deb.debian.org", None),
        ("", None),
    ];
    for (name, expected) in table {
        let expected = expected.map_or(Found::Nothing, |address: &str| {
            Found::Addresses(vec![address.parse().unwrap()])
        });
        assert_eq!(names().look_up(name, 1), expected, "{name}");
    }
}

#[test]
fn addresses_have_their_instance_names() {
    let pointer = |name: &str| Found::Pointer(name.to_owned());
    assert_eq!(
        names().look_up("10.16.2.10.in-addr.arpa", 0),
        pointer("ip-10-2-16-10.eu-west-1.compute.internal")
    );
    assert_eq!(
        names().look_up("4.0.1.10.in-addr.arpa", 0),
        pointer("ip-10-1-0-4.ec2.internal")
    );
    assert_eq!(names().look_up("1.0.0.127.in-addr.arpa", 0), Found::Nothing);
    assert_eq!(names().look_up("2.10.in-addr.arpa", 0), Found::Nothing);
}

#[test]
fn a_fleets_own_names_come_first_and_can_go() {
    let mut names = names();
    let addresses = vec![Ipv4Addr::new(10, 1, 0, 9), Ipv4Addr::new(10, 2, 0, 9)];
    names.set("Web.Example.COM.", addresses.clone());
    assert_eq!(
        names.look_up("web.example.com", 0),
        Found::Addresses(addresses)
    );
    names.set("web.example.com", Vec::new());
    assert_eq!(names.look_up("web.example.com", 0), Found::Nothing);
}

fn query(name: &str, kind: Rtype) -> Vec<u8> {
    let mut question = MessageBuilder::new_vec().question();
    question.header_mut().set_id(77);
    question.header_mut().set_rd(true);
    question
        .push((name.parse::<Name<Vec<u8>>>().unwrap(), kind))
        .unwrap();
    let mut additional = question.additional();
    additional
        .opt(|opt| {
            opt.set_udp_payload_size(4_096);
            Ok(())
        })
        .unwrap();
    additional.finish()
}

fn ask(name: &str, kind: Rtype) -> Message<Vec<u8>> {
    let bytes = answer(&query(name, kind), &names(), 0).unwrap();
    Message::from_octets(bytes).unwrap()
}

#[test]
fn an_address_is_answered_with_the_questions_id() {
    let message = ask("ip-10-2-0-10.eu-west-1.compute.internal", Rtype::A);
    assert_eq!(message.header().id(), 77);
    assert!(message.header().qr() && message.header().ra() && message.header().rd());
    assert_eq!(message.header().rcode(), Rcode::NOERROR);
    let records: Vec<A> = message
        .answer()
        .unwrap()
        .limit_to::<A>()
        .map(|record| record.unwrap().into_data())
        .collect();
    assert_eq!(records, [A::new(Ipv4Addr::new(10, 2, 0, 10))]);
    assert_eq!(message.opt().unwrap().udp_payload_size(), 1_232);
}

#[test]
fn a_pointer_and_an_absence_and_an_empty_answer() {
    let message = ask("10.0.2.10.in-addr.arpa", Rtype::PTR);
    let pointers: Vec<String> = message
        .answer()
        .unwrap()
        .limit_to::<Ptr<_>>()
        .map(|record| record.unwrap().data().to_string())
        .collect();
    assert_eq!(pointers, ["ip-10-2-0-10.eu-west-1.compute.internal."]);
    let absent = ask("deb.debian.org", Rtype::A);
    assert_eq!(absent.header().rcode(), Rcode::NXDOMAIN);
    assert_eq!(absent.header_counts().ancount(), 0);
    let no_ipv6 = ask("ec2.us-east-1.amazonaws.com", Rtype::AAAA);
    assert_eq!(no_ipv6.header().rcode(), Rcode::NOERROR);
    assert_eq!(no_ipv6.header_counts().ancount(), 0);
}

#[test]
fn what_is_no_query_is_refused_or_not_answered() {
    assert_eq!(answer(b"", &names(), 0), None);
    assert_eq!(answer(b"short", &names(), 0), None);
    let mut response = query("a", Rtype::A);
    response[2] |= 0x80;
    assert_eq!(answer(&response, &names(), 0), None);
    let whole = query("ec2.us-east-1.amazonaws.com", Rtype::A);
    for end in 12..whole.len() {
        // Cut off anywhere, a query gets some answer and no panic.
        assert!(answer(&whole[..end], &names(), 0).is_some(), "{end}");
    }
    let cut = answer(&whole[..16], &names(), 0).unwrap();
    let cut = Message::from_octets(cut).unwrap();
    assert_eq!(cut.header().rcode(), Rcode::FORMERR);
    assert_eq!(cut.header().id(), 77);
}
