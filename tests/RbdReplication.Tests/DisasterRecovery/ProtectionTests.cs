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
    public void A_group_has_the_claims_that_its_controller_has_selected()
    {
        var group = Protection.OfGroup(Parse("""
            {"metadata": {"name": "shop", "namespace": "app"}, "spec": {"replicationState": "primary", "volumeReplicationClassName": "c"},
             "status": {"persistentVolumeClaimsRefList": [{"name": "log"}, {"name": "data"}]}}
            """));
        Assert.Equal(["data", "log"], group.Claims);
        Assert.Equal("c", group.Class);
        Assert.True(group.IsGroup);
        Assert.Null(Protection.OfVolume(Parse("""{"metadata": {"name": "v"}, "spec": {"dataSource": {"kind": "VolumeGroupReplication", "name": "shop"}}}""")));
    }

    private static Protection Single(string wanted, string status) => Protection.OfVolume(Parse($$"""
        {"metadata": {"name": "data", "namespace": "app", "generation": 2},
         "spec": {"volumeReplicationClass": "c", "replicationState": "{{wanted}}", "dataSource": {"kind": "PersistentVolumeClaim", "name": "data"} }, "status": {{status}} }
        """))!;

    private static JsonObject Parse(string text) => JsonNode.Parse(text)!.AsObject();
}
