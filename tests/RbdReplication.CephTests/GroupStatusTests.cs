using System.Text.Json;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>Volume groups in <c>status</c>.</summary>
public sealed class GroupStatusTests(TwoSites sites)
{
    private static readonly (string, string) EachMinute = ("schedulingInterval", "1m");

    [Fact]
    public async Task Both_sites_show_their_role_the_generation_and_what_a_forced_promotion_would_return_to()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 2);
        await group.CallAsync(sites.A, Rpc.Enable, parameters: EachMinute);
        await group.CallAsync(sites.A, Rpc.Promote, parameters: EachMinute);
        await group.AwaitCopiesAsync();
        // The group is replicated at site-b from the first call for it there.
        await TestVolume.RetryAsync(() => group.CallAsync(sites.B, Rpc.Demote), "site-b knows of it");

        // It is no better than its volumes, whose first reports come in their time.
        static bool IsWell(JsonElement line) => line.GetProperty("returnPoint").ValueKind == JsonValueKind.Object && Text(line, "health") == "healthy";
        var here = await AwaitAsync(sites.A, group, IsWell, "the peer has a generation", "--generations");
        Assert.Equal(("primary", 2, "1m"), (Text(here, "role"), here.GetProperty("volumes").GetInt32(), Text(here, "schedule")));
        Assert.InRange(here.GetProperty("returnPoint").GetProperty("number").GetInt64(), 1, here.GetProperty("generation").GetInt64());
        Assert.Contains("the peer has generation", Text(here, "message"), StringComparison.Ordinal);
        Assert.InRange(here.GetProperty("generationAgeSeconds").GetDouble(), 0, 180);

        var there = await AwaitAsync(sites.B, group, IsWell, "site-b has it whole", "--generations");
        Assert.Equal(("secondary", JsonValueKind.Null), (Text(there, "role"), there.GetProperty("generation").ValueKind));
        Assert.Contains("a forced promotion here would return to generation", Text(there, "message"), StringComparison.Ordinal);

        // Not asked for, nothing is opened.
        Assert.Equal(JsonValueKind.Null, (await FindAsync(sites.B, group))!.Value.GetProperty("returnPoint").ValueKind);
        var table = (await StatusRun.RunAsync(sites.A, "--cluster-id", sites.A.Name)).Output.Split('\n');
        Assert.Contains(table, line => line.StartsWith("GROUP ", StringComparison.Ordinal));
        Assert.Contains(table, line => line.StartsWith(group.At(sites.A).Name, StringComparison.Ordinal) && line.Contains(" primary ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_forced_promotion_that_has_not_ended_makes_the_exit_code_1_and_one_that_has_is_shown_until_the_group_is_demoted()
    {
        var group = await ReplicatedGroup.ProtectAsync(sites, 2);
        var b = group.At(sites.B);
        var state = new GroupStateObject(b.Pool, b.NewUuid);
        await state.SetAsync(new GroupState(WantedRole.Primary, null, Failover: new(DateTimeOffset.UtcNow, "rbd-replication.x.1", 3)));
        var run = await StatusRun.RunAsync(sites.B, "--cluster-id", sites.B.Name, "--output", "json");
        Assert.Equal(1, run.ExitCode);
        var unfinished = Find(run.Output, group, sites.B)!.Value;
        Assert.Equal("error", Text(unfinished, "health"));
        Assert.Equal(3, unfinished.GetProperty("unfinishedFailover").GetProperty("leftBehind").GetInt64());

        await state.RemoveAsync();
        await group.RetryAsync(sites.A, Rpc.Demote);
        await group.CallAsync(sites.B, Rpc.Promote, force: true);
        var ended = (await FindAsync(sites.B, group))!.Value;
        Assert.Equal(JsonValueKind.Null, ended.GetProperty("unfinishedFailover").ValueKind);
        Assert.Equal(JsonValueKind.Object, ended.GetProperty("lastFailover").ValueKind);
        Assert.Contains("were left as they were", Text(ended, "message"), StringComparison.Ordinal);

        await group.RetryAsync(sites.B, Rpc.Demote);
        Assert.Equal(JsonValueKind.Null, (await FindAsync(sites.B, group))!.Value.GetProperty("lastFailover").ValueKind);
    }

    private static string Text(JsonElement line, string name) => line.GetProperty(name).GetString()!;

    private static async Task<JsonElement> AwaitAsync(Site site, ReplicatedGroup group, Func<JsonElement, bool> isSeen, string what, params string[] options)
    {
        var line = await Eventually.GetAsync(
            async () => await FindAsync(site, group, options) is { } found && isSeen(found) ? found.GetRawText() : null, what);
        return JsonDocument.Parse(line).RootElement;
    }

    private static async Task<JsonElement?> FindAsync(Site site, ReplicatedGroup group, params string[] options) =>
        Find((await StatusRun.RunAsync(site, ["--cluster-id", site.Name, "--output", "json", .. options])).Output, group, site);

    private static JsonElement? Find(string output, ReplicatedGroup group, Site site)
    {
        using var json = JsonDocument.Parse(output);
        return json.RootElement.GetProperty("groups").EnumerateArray()
            .Where(line => line.GetProperty("groupHandle").GetString() == group.HandleAt(site)).Select(line => (JsonElement?)line.Clone()).FirstOrDefault();
    }
}
