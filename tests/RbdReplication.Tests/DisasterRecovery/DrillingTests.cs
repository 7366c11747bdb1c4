using System.Text.Json.Nodes;
using RbdReplication.DisasterRecovery;

namespace RbdReplication.Tests.DisasterRecovery;

public sealed class DrillingTests
{
    // Claims a and b of group one, c of group two, d by itself, e of nothing.
    private static readonly IReadOnlyList<Protection> All = Protection.Of(
        [Object("""{"metadata": {"name": "d", "namespace": "app"}, "spec": {"dataSource": {"kind": "PersistentVolumeClaim", "name": "d"}}}""")],
        [Group("one", "a", "b"), Group("two", "c")]);

    private static JsonObject Object(string json) => JsonNode.Parse(json)!.AsObject();

    private static JsonObject Group(string name, params string[] claims) => new()
    {
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "app" },
        ["status"] = new JsonObject { ["persistentVolumeClaimsRefList"] = new JsonArray([.. claims.Select(claim => (JsonNode)new JsonObject { ["name"] = claim })]) },
    };

    private static Protection? GroupOf(params string[] claims) =>
        Drilling.GroupOf("those claims", claims, claim => All.FirstOrDefault(protection => protection.Claims.Contains(claim)));

    [Fact]
    public void All_claims_of_a_group_are_a_drill_of_the_group_and_claims_of_none_are_one_of_volumes()
    {
        Assert.Equal("one", GroupOf("b", "a")?.Name.Name);
        Assert.Equal("two", GroupOf("c")?.Name.Name);
        Assert.Null(GroupOf("d"));
        Assert.Null(GroupOf("d", "e"));
    }

    [Fact]
    public void A_part_of_a_group_and_a_mixture_are_refused()
    {
        var part = Assert.Throws<ProcedureException>(() => GroupOf("a"));
        Assert.Equal("group app/one: its claims b are of the same instant", part.Message);
        foreach (var claims in (string[][])[["a", "b", "c"], ["a", "b", "d"], ["e", "a", "b"]])
            Assert.Equal("those claims are not of one group", Assert.Throws<ProcedureException>(() => GroupOf(claims)).Message);
    }
}
