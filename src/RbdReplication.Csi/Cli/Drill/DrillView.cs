using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using RbdReplication.Core;
using Spectre.Console;

namespace RbdReplication.Csi.Cli;

/// <summary>Shows drills.</summary>
/// <param name="isJson">Whether as one document for a program.</param>
internal sealed class DrillView(bool isJson)
{
    // It is read by people and by jq, not put into a web page.
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, WriteIndented = true };

    /// <summary>A drill that has been made: manifests to stdout, what they are of to stderr.</summary>
    public void Show(MadeDrill made, VolumeShape shape, string claimName)
    {
        var drill = made.Drill;
        var manifests = string.Join("---\n", drill.Members.Select(member => Manifests(made, member, shape, ClaimOf(drill, member, claimName))));
        if (isJson)
        {
            var document = Describe(made.Place, drill);
            document["volumes"] = new JsonArray([.. drill.Members.Select(member => Describe(made.Place, member, ClaimOf(drill, member, claimName)))]);
            document["keysElsewhere"] = new JsonArray([.. made.KeysElsewhere.Select(name => (JsonNode)name)]);
            document["manifests"] = manifests;
            Console.WriteLine(document.ToJsonString(Readable));
            return;
        }
        var console = Terminal.Error();
        var table = Of("SOURCE", "POINT", "INSTANT (UTC)", "AGE", "VOLUME");
        foreach (var member in drill.Members)
            table.AddRow(Cells(member.SourceNameOrDefault, member.Point.Title, Instant(member.Point.TakenAt, member.Point.IsExact), Age(member.Point.TakenAt), member.PersistentVolume));
        console.Write(table);
        console.WriteLine(drill.IsOfOneInstant
            ? $"drill {drill.Name}: {Number(drill.Members.Count, "volume")} as of {Time(drill.TakenAt)} UTC{(drill.Members.All(member => member.Point.IsExact) ? "" : " or shortly before")}, {Age(drill.TakenAt)} old"
            : $"drill {drill.Name}: {Number(drill.Members.Count, "volume")}, each as of its own instant, not of one; volumes of one instant are those of a group");
        foreach (var name in made.KeysElsewhere)
            console.WriteLine($"warning: {name} is encrypted, and its KMS keeps the key by the volume's handle: copy the key of its source to {made.Place.HandleOf(name[^VolumeHandle.UuidLength..])} there");
        Console.Write(manifests);
    }

    /// <summary>The drills of a site.</summary>
    public void Show(IReadOnlyList<ListedDrill> drills, IReadOnlyList<string> problems)
    {
        if (isJson)
        {
            var listed = drills.Select(one =>
            {
                var document = Describe(one.Place, one.Drill);
                document["whole"] = one.IsWhole;
                document["volumes"] = new JsonArray([.. one.Volumes.Select(volume =>
                {
                    var of = Describe(one.Place, volume.Member, claim: null);
                    of["there"] = volume.IsThere;
                    of["openAt"] = new JsonArray([.. volume.Clients.Select(client => (JsonNode)$"{client.Address} (client.{client.ClientId})")]);
                    of["keeps"] = volume.Keeps;
                    return (JsonNode)of;
                })]);
                return (JsonNode)document;
            });
            Console.WriteLine(new JsonObject { ["drills"] = new JsonArray([.. listed]), ["problems"] = new JsonArray([.. problems.Select(text => (JsonNode)text)]) }.ToJsonString(Readable));
            return;
        }
        var console = Terminal.Output();
        foreach (var problem in problems)
            Console.Error.WriteLine($"rbd-replication: {problem}");
        if (drills.Count > 0)
        {
            var table = Of("DRILL", "POOL", "CREATED (UTC)", "SOURCE", "POINT", "INSTANT (UTC)", "AGE", "VOLUME", "OPEN AT", "KEEPS");
            foreach (var one in drills)
            {
                foreach (var volume in one.Volumes)
                {
                    var member = volume.Member;
                    table.AddRow(Cells(
                        one.Drill.Name + (one.IsWhole ? "" : " (unfinished)"), one.Place.RadosNamespace.Length == 0 ? one.Place.PoolName : $"{one.Place.PoolName}/{one.Place.RadosNamespace}",
                        Time(one.Drill.CreatedAt), member.SourceNameOrDefault, member.Point.Title, Instant(member.Point.TakenAt, member.Point.IsExact), Age(member.Point.TakenAt),
                        volume.IsThere ? member.PersistentVolume : $"{member.PersistentVolume} (missing)", Or(string.Join(' ', volume.Clients.Select(client => client.Address))), volume.Keeps ?? "-"));
                }
            }
            console.Write(table);
        }
        console.WriteLine($"{Number(drills.Count, "drill")}{(drills.Any(one => !one.IsWhole) ? "; create one that is unfinished again, or remove it" : "")}");
    }

    /// <summary>A number with what is counted.</summary>
    public static string Number(int number, string what) => string.Create(CultureInfo.InvariantCulture, $"{number} {what}{(number == 1 ? "" : "s")}");

    private static string Manifests(MadeDrill made, DrillMember member, VolumeShape shape, ClaimName claim)
    {
        var manifest = new PersistentVolumeManifest(member.PersistentVolume, made.Place.HandleOf(member.Uuid), member.Point.SizeBytes, made.Place.PoolName)
        {
            Shape = shape,
            ImagePrefix = member.ImagePrefix,
            Claim = claim,
            Drill = made.Drill.Name,
            EncryptionKms = member.EncryptionKms,
            EncryptionType = member.EncryptionType,
        };
        return $"{manifest.Volume()}---\n{manifest.ClaimOf(claim)}";
    }

    private static ClaimName ClaimOf(Drill drill, DrillMember member, string name) => new(drill.Namespace, name.Length > 0 ? name : member.SourceNameOrDefault);

    private static JsonObject Describe(DrillPlace place, Drill drill) => new()
    {
        ["name"] = drill.Name,
        ["clusterID"] = place.Cluster.ClusterId,
        ["pool"] = place.PoolName,
        ["radosNamespace"] = place.RadosNamespace,
        ["namespace"] = drill.Namespace,
        ["group"] = drill.Group,
        ["createdAt"] = drill.CreatedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
        ["oneInstant"] = drill.IsOfOneInstant,
        ["takenAt"] = drill.TakenAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
        ["ageSeconds"] = Math.Round((DateTimeOffset.UtcNow - drill.TakenAt).TotalSeconds),
    };

    private static JsonObject Describe(DrillPlace place, DrillMember member, ClaimName? claim) => new()
    {
        ["source"] = member.Source,
        ["sourcePersistentVolume"] = member.SourceName,
        ["sourceImage"] = member.SourceImage,
        ["point"] = member.Point.Title,
        ["takenAt"] = member.Point.TakenAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
        ["exact"] = member.Point.IsExact,
        ["sizeBytes"] = member.Point.SizeBytes,
        ["image"] = member.ImageName,
        ["persistentVolume"] = member.PersistentVolume,
        ["volumeHandle"] = place.HandleOf(member.Uuid).ToString(),
        ["claim"] = claim?.Name,
    };

    private static Table Of(params string[] titles)
    {
        var table = new Table().NoBorder();
        foreach (var title in titles)
            table.AddColumn(new TableColumn(new Text(title)).PadLeft(0).PadRight(2));
        return table;
    }

    private static Text[] Cells(params string[] texts) => [.. texts.Select(text => new Text(text))];

    private static string Or(string text) => text.Length > 0 ? text : "-";

    private static string Age(DateTimeOffset time) => Ages.Text(DateTimeOffset.UtcNow - time);

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    // The copy of a snapshot is made after it: the instant is before that.
    private static string Instant(DateTimeOffset time, bool isExact) => (isExact ? "" : "≤ ") + Time(time);
}
