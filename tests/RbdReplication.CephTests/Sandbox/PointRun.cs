using System.Text.Json;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>The commands <c>drill point</c> and <c>drill points</c> with a site's configuration and secret.</summary>
public static class PointRun
{
    /// <summary>A point as the commands tell of it.</summary>
    public sealed record Point(string Name, DateTimeOffset TakenAt, bool IsTakenHere, bool IsWhole, string[] HeldBy, string[] AwaitedBy);

    /// <summary>Takes a point, again where the command says so, and returns what is seen of it.</summary>
    public static Task<Point> TakeAsync(Site site, TestVolume volume, string name, params string[] options) => Eventually.GetAsync(
        async () =>
        {
            // Once, where it succeeds: another run may remove older points that the peer needs no more by then.
            var run = await RunAsync(site, volume, ["point", name, .. options, "-o", "json"]);
            return run.ExitCode != 0 && run.Error.Contains("; retry", StringComparison.Ordinal) ? null : Read(DocumentOf(volume, run).GetProperty("point"));
        }, $"point {name} is taken");

    /// <summary>The volume's points.</summary>
    public static async Task<Point[]> ListAsync(Site site, TestVolume volume) =>
        [.. (await SucceedAsync(site, volume, ["points"])).GetProperty("points").EnumerateArray().Select(Read)];

    /// <summary>Removes a point; whether there was one.</summary>
    public static async Task<bool> RemoveAsync(Site site, TestVolume volume, string name) =>
        (await SucceedAsync(site, volume, ["point", name, "--remove"])).GetProperty("removed").GetBoolean();

    /// <summary>Why a command fails.</summary>
    public static async Task<string> FailAsync(Site site, TestVolume volume, params string[] arguments)
    {
        var (exitCode, output, error) = await RunAsync(site, volume, arguments);
        Assert.Equal((1, ""), (exitCode, output));
        return error;
    }

    private static async Task<JsonElement> SucceedAsync(Site site, TestVolume volume, string[] arguments) =>
        DocumentOf(volume, await RunAsync(site, volume, [.. arguments, "-o", "json"]));

    private static JsonElement DocumentOf(TestVolume volume, (int ExitCode, string Output, string Error) run)
    {
        Assert.True(run.ExitCode == 0, run.Error);
        var document = JsonDocument.Parse(run.Output).RootElement;
        Assert.Equal(volume.Handle.ToString(), document.GetProperty("volumeHandle").GetString());
        return document;
    }

    /// <summary>Runs one to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(Site site, TestVolume volume, params string[] arguments)
    {
        // Tests run side by side.
        var secret = Path.Combine(TwoSites.Folder, site.Name, $"{Guid.NewGuid():N}.secret");
        await File.WriteAllTextAsync(secret, JsonSerializer.Serialize(site.Secrets));
        using var process = ServerProcess.Start(
            ["drill", .. arguments, "--volume", volume.Handle.ToString(), "--cluster-config", site.ConfigPath, "--cluster-mapping", site.MappingPath, "--secret-file", secret]);
        return await ProcessOutput.OfAsync(process);
    }

    private static Point Read(JsonElement point) => new(
        point.GetProperty("name").GetString()!, point.GetProperty("takenAt").GetDateTimeOffset(), point.GetProperty("isTakenHere").GetBoolean(),
        point.GetProperty("isWhole").GetBoolean(), Texts(point, "heldBy"), Texts(point, "awaitedBy"));

    private static string[] Texts(JsonElement point, string name) => [.. point.GetProperty(name).EnumerateArray().Select(text => text.GetString()!)];
}
