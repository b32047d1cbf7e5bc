"""Parameter Store: each operation, its errors, its pages."""

import unittest

from lab import ACCOUNT, REGION, LabTest


class ParameterStore(LabTest):
    def setUp(self):
        self.ssm = self.lab.client("ssm")

    def put(self, name, value="v", kind="String", **more):
        return self.ssm.put_parameter(Name=name, Value=value, Type=kind, **more)

    def test_put_and_get(self):
        self.assertEqual(self.put("/put/a")["Version"], 1)
        found = self.ssm.get_parameter(Name="/put/a")["Parameter"]
        self.assertEqual(found["ARN"], f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/put/a")
        self.assertEqual(
            (found["Name"], found["Type"], found["Value"], found["Version"], found["DataType"]),
            ("/put/a", "String", "v", 1, "text"),
        )
        self.refused("ParameterAlreadyExists", 400, self.put, name="/put/a")
        changed = self.ssm.put_parameter(Name="/put/a", Value="w", Overwrite=True)
        self.assertEqual((changed["Version"], changed["Tier"]), (2, "Standard"))
        self.assertEqual(self.ssm.get_parameter(Name="/put/a:1")["Parameter"]["Value"], "v")
        by_arn = self.ssm.get_parameter(Name=found["ARN"])["Parameter"]
        self.assertEqual((by_arn["Value"], by_arn["Version"]), ("w", 2))
        self.refused("ParameterVersionNotFound", 400, self.ssm.get_parameter, Name="/put/a:9")
        self.refused("ParameterNotFound", 400, self.ssm.get_parameter, Name="/put/b")
        elsewhere = self.lab.client("ssm", region="us-east-1")
        self.refused("ParameterNotFound", 400, elsewhere.get_parameter, Name="/put/a")

    def test_secrets_are_shown_only_when_asked(self):
        self.put("/secret/a", "hidden", "SecureString")
        shut = self.ssm.get_parameter(Name="/secret/a")["Parameter"]
        self.assertEqual(shut["Type"], "SecureString")
        self.assertNotIn("hidden", shut["Value"])
        opened = self.ssm.get_parameter(Name="/secret/a", WithDecryption=True)["Parameter"]
        self.assertEqual(opened["Value"], "hidden")

    def test_names(self):
        for name, code in [
            ("aws/x", "ValidationException"),
            ("/aws/x", "AccessDeniedException"),
            ("/ssm-x", "ValidationException"),
            ("a/b", "ValidationException"),
            ("/a b", "ValidationException"),
            ("/" + "/".join("abcdefghijklmnop"), "HierarchyLevelLimitExceededException"),
        ]:
            with self.subTest(name):
                self.refused(code, 400, self.put, name=name)

    def test_sizes(self):
        self.put("/size/a", "x" * 4_096)
        self.refused("ValidationException", 400, self.put, name="/size/b", value="x" * 4_097)
        advanced = self.put("/size/c", "x" * 8_192, Tier="Advanced")
        self.assertEqual(advanced["Tier"], "Advanced")
        self.refused("ValidationException", 400, self.put, name="/size/d", value="x" * 8_193, Tier="Advanced")
        chosen = self.put("/size/e", "x" * 5_000, Tier="Intelligent-Tiering")
        self.assertEqual(chosen["Tier"], "Advanced")

    def test_types_stay(self):
        self.put("/type/a")
        self.refused(
            "HierarchyTypeMismatchException", 400, self.put, name="/type/a", kind="SecureString", Overwrite=True
        )
        self.refused("ValidationException", 400, self.ssm.put_parameter, Name="/type/b", Value="x")

    def test_images_are_checked_after_the_answer(self):
        image = self.lab.tell(f"image {REGION}")["image"]
        self.put("/image/a", image, DataType="aws:ec2:image")
        found = self.ssm.get_parameter(Name="/image/a")["Parameter"]
        self.assertEqual((found["Value"], found["DataType"]), (image, "aws:ec2:image"))
        self.put("/image/b", "ami-0123456789abcdef0", DataType="aws:ec2:image")
        self.refused("ParameterNotFound", 400, self.ssm.get_parameter, Name="/image/b")
        self.refused("ValidationException", 400, self.put, name="/image/c", value="x", DataType="aws:ec2:image")

    def test_many(self):
        for name in ("/many/a", "/many/b"):
            self.put(name)
        found = self.ssm.get_parameters(Names=["/many/a", "/many/none", "/many/b:1"])
        self.assertEqual([one["Name"] for one in found["Parameters"]], ["/many/a", "/many/b"])
        self.assertEqual(found["InvalidParameters"], ["/many/none"])
        self.refused("ValidationException", 400, self.ssm.get_parameters, Names=["/many/a"] * 2)
        self.refused("ValidationException", 400, self.ssm.get_parameters, Names=[f"/{n}" for n in range(11)])
        gone = self.ssm.delete_parameters(Names=["/many/a", "/many/none"])
        self.assertEqual(gone["DeletedParameters"], ["/many/a"])
        self.assertEqual(gone["InvalidParameters"], ["/many/none"])
        self.ssm.delete_parameter(Name="/many/b")
        self.refused("ParameterNotFound", 400, self.ssm.delete_parameter, Name="/many/b")

    def test_paths_are_paged(self):
        for number in range(23):
            self.put(f"/path/p{number:02}")
        self.put("/path/deep/q")
        self.put("/pathological")
        flat, pages = self.pages(self.ssm, "get_parameters_by_path", "Parameters", Path="/path")
        self.assertEqual([one["Name"] for one in flat], [f"/path/p{n:02}" for n in range(23)])
        self.assertEqual(pages, 3)
        deep, pages = self.pages(
            self.ssm, "get_parameters_by_path", "Parameters", Path="/path/", Recursive=True, MaxResults=5
        )
        self.assertEqual((len(deep), pages), (24, 5))
        call = self.ssm.get_parameters_by_path
        self.refused("ValidationException", 400, call, Path="/path", MaxResults=11)
        self.refused("ValidationException", 400, call, Path="path")
        self.refused("InvalidNextToken", 400, call, Path="/path", NextToken="x")

    def test_descriptions(self):
        for number in range(12):
            self.put(f"/described/p{number:02}", Description="one of them", Tags=[{"Key": "k", "Value": "v"}])
        for filters, count in [
            ([{"Key": "Name", "Option": "BeginsWith", "Values": ["/described/"]}], 12),
            ([{"Key": "Name", "Option": "Contains", "Values": ["bed/p0"]}], 10),
            ([{"Key": "Name", "Values": ["/described/p01"]}], 1),
            ([{"Key": "Path", "Values": ["/described"]}], 12),
            ([{"Key": "tag:k", "Values": ["v"]}], 12),
            ([{"Key": "tag:k", "Values": ["w"]}], 0),
        ]:
            with self.subTest(filters):
                found, _ = self.pages(self.ssm, "describe_parameters", "Parameters", ParameterFilters=filters)
                self.assertEqual(len(found), count)
        found = self.ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": ["/described/p01"]}])
        self.assertEqual(found["Parameters"][0]["Description"], "one of them")
        self.assertEqual(found["Parameters"][0]["LastModifiedUser"], f"arn:aws:iam::{ACCOUNT}:user/operator")
        call = self.ssm.describe_parameters
        self.refused("InvalidFilterKey", 400, call, ParameterFilters=[{"Key": "Colour", "Values": ["x"]}])
        self.refused(
            "InvalidFilterOption", 400, call, ParameterFilters=[{"Key": "Type", "Option": "Near", "Values": ["x"]}]
        )

    def test_labels(self):
        self.put("/label/a", "1")
        self.put("/label/a", "2", Overwrite=True)
        label = self.ssm.label_parameter_version
        done = label(Name="/label/a", ParameterVersion=1, Labels=["live", "1st"])
        self.assertEqual((done["InvalidLabels"], done["ParameterVersion"]), (["1st"], 1))
        live = self.ssm.get_parameter(Name="/label/a:live")["Parameter"]
        self.assertEqual((live["Value"], live["Selector"]), ("1", ":live"))
        label(Name="/label/a", Labels=["live"])
        self.assertEqual(self.ssm.get_parameter(Name="/label/a:live")["Parameter"]["Value"], "2")
        history = self.ssm.get_parameter_history(Name="/label/a")["Parameters"]
        self.assertEqual([(one["Version"], one["Labels"]) for one in history], [(1, []), (2, ["live"])])
        self.refused("ParameterVersionNotFound", 400, label, Name="/label/a", ParameterVersion=3, Labels=["x"])
        self.refused("ParameterNotFound", 400, label, Name="/label/b", Labels=["x"])
        for start in (0, 5):
            label(Name="/label/a", ParameterVersion=1, Labels=[f"l{n}" for n in range(start, start + 5)])
        self.refused(
            "ParameterVersionLabelLimitExceeded", 400, label, Name="/label/a", ParameterVersion=1, Labels=["x"]
        )
        gone = self.ssm.unlabel_parameter_version(Name="/label/a", ParameterVersion=1, Labels=["l1", "x"])
        self.assertEqual((gone["RemovedLabels"], gone["InvalidLabels"]), (["l1"], ["x"]))

    def test_a_hundred_versions(self):
        self.put("/hundred/a", "0")
        for number in range(100):
            self.put("/hundred/a", str(number), Overwrite=True)
        history, pages = self.pages(self.ssm, "get_parameter_history", "Parameters", Name="/hundred/a")
        self.assertEqual([one["Version"] for one in history], list(range(2, 102)))
        self.assertEqual(pages, 2)
        self.ssm.label_parameter_version(Name="/hundred/a", ParameterVersion=2, Labels=["keep"])
        self.refused("ParameterMaxVersionLimitExceeded", 400, self.put, name="/hundred/a", Overwrite=True)

    def test_tags(self):
        self.put("/tag/a", Tags=[{"Key": "k", "Value": "v"}])
        on = {"ResourceType": "Parameter", "ResourceId": "/tag/a"}
        self.ssm.add_tags_to_resource(Tags=[{"Key": "l", "Value": "w"}], **on)
        tags = self.ssm.list_tags_for_resource(**on)["TagList"]
        self.assertEqual(tags, [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "w"}])
        self.ssm.remove_tags_from_resource(TagKeys=["k"], **on)
        self.assertEqual(self.ssm.list_tags_for_resource(**on)["TagList"], [{"Key": "l", "Value": "w"}])
        call = self.ssm.list_tags_for_resource
        self.refused("InvalidResourceId", 400, call, ResourceType="Parameter", ResourceId="/tag/b")
        many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
        self.refused("TooManyTagsError", 400, self.ssm.add_tags_to_resource, Tags=many, **on)
        self.refused(
            "ValidationException", 400, self.put, name="/tag/a", Overwrite=True, Tags=[{"Key": "a", "Value": "b"}]
        )


if __name__ == "__main__":
    unittest.main()
