using System.Text.Json.Nodes;
using RbdReplication.DisasterRecovery;

namespace RbdReplication.Tests.DisasterRecovery;

public sealed class ProtectionTests
{
    [Theory]
    [InlineData("primary", "Primary", 2, true)]
    [InlineData("primary", "Secondary", 2, false)]
    [InlineData("primary", "Unknown", 2, false)]
    [InlineData("primary", "Primary", 1, false)] // The controller has not looked at the change yet.
    public void A_role_is_reached_when_the_controller_says_so_of_the_object_as_it_is(string wanted, string state, int observed, bool reached) =>
        Assert.Equal(reached, Single(wanted, $$"""{"state": "{{state}}", "observedGeneration": {{observed}}}""").Has(Role.Primary));

    [Fact]
    public void A_site_that_is_copied_anew_is_secondary_and_a_new_object_has_no_state()
    {
        Assert.True(Single("resync", """{"state": "Secondary", "observedGeneration": 2}""").Has(Role.Resync));
        Assert.False(Single("secondary", "{}").Has(Role.Secondary));
        Assert.Null(Single("tertiary", "{}").Wanted);
    }

    [Fact]
    public void The_controllers_message_comes_before_those_of_conditions()
    {
        const string Conditions = """
            "conditions": [{"type": "Completed", "status": "False", "message": "older", "lastTransitionTime": "2026-11-27T00:00:00Z"},
                           {"type": "Degraded", "status": "True", "message": "newer", "lastTransitionTime": "2026-11-27T00:01:00Z"},
                           {"type": "Resyncing", "status": "False", "message": "fine", "lastTransitionTime": "2026-11-27T00:02:00Z"}]
            """;
        Assert.Equal("newer", Single("primary", "{" + Conditions + "}").Words);
        Assert.Equal("said", Single("primary", """{"message": "said", """ + Conditions + "}").Words);
        Assert.Equal("", Single("primary", "{}").Words);
    }

    [Fact]
    public void A_group_has_the_claims_that_its_controller_has_selected_and_its_own_replication_is_none_of_a_claim()
    {
        var group = Group("primary", "{}");
        Assert.Equal(["data", "log"], group.Claims);
        Assert.Equal("c", group.Class);
        Assert.True(group.IsGroup);
    }

    [Theory]
    [InlineData("secondary", 2, "Secondary", true)]
    [InlineData("secondary", 1, "Secondary", false)] // Not looked at since it was changed.
    [InlineData("primary", 2, "Secondary", false)] // Not changed yet, and the group's own status says that all is done.
    [InlineData("secondary", 2, "Primary", false)]
    public void What_a_group_has_reached_is_what_its_own_replication_says(string passedOn, int observed, string state, bool reached)
    {
        var group = Group("secondary", $$"""{"spec": {"replicationState": "{{passedOn}}"}, "status": {"state": "{{state}}", "observedGeneration": {{observed}}, "message": "said"} }""");
        Assert.Equal(reached, group.Has(Role.Secondary));
        Assert.Equal("said", group.Words);
    }

    [Fact]
    public void A_group_without_a_replication_of_its_own_has_reached_nothing_and_says_why()
    {
        var group = Assert.Single(Protection.Of([], [GroupObject("primary")]));
        Assert.False(group.Has(Role.Primary));
        Assert.Equal("of the group", group.Words);
    }

    private static Protection Group(string wanted, string replication)
    {
        var own = Parse("""{"metadata": {"name": "vr-1", "namespace": "app", "generation": 2}, "spec": {"dataSource": {"kind": "VolumeGroupReplication", "name": "shop"}}}""");
        foreach (var (part, fields) in Parse(replication))
        {
            foreach (var (field, value) in fields!.AsObject())
            {
                if (own[part] is null)
                    own[part] = new JsonObject();
                own[part]![field] = value?.DeepClone();
            }
        }
        return Assert.Single(Protection.Of([own], [GroupObject(wanted)]));
    }

    private static JsonObject GroupObject(string wanted) => Parse($$"""
        {"metadata": {"name": "shop", "namespace": "app", "generation": 2}, "spec": {"replicationState": "{{wanted}}", "volumeReplicationClassName": "c"},
         "status": {"persistentVolumeClaimsRefList": [{"name": "log"}, {"name": "data"}], "state": "Secondary", "observedGeneration": 2, "message": "of the group"} }
        """);

    private static Protection Single(string wanted, string status) => Assert.Single(Protection.Of([Parse($$"""
        {"metadata": {"name": "data", "namespace": "app", "generation": 2},
         "spec": {"volumeReplicationClass": "c", "replicationState": "{{wanted}}", "dataSource": {"kind": "PersistentVolumeClaim", "name": "data"} }, "status": {{status}} }
        """)], []));

    private static JsonObject Parse(string text) => JsonNode.Parse(text)!.AsObject();
}
