using System.Globalization;
using System.Text.Json;

namespace RbdReplication.Core;

/// <summary>The object that holds what a drill consists of, and its omap keys: this is the only place that knows them.</summary>
public static class DrillKeys
{
    /// <summary>Key of the drill's name; it is there as long as the drill is.</summary>
    public const string Name = "name";

    /// <summary>Key that is there once all of the drill has been made.</summary>
    public const string Complete = "complete";

    private const string Created = "created";
    private const string Namespace = "namespace";
    private const string Group = "group";
    private const string MemberPrefix = "member.";

    /// <summary>The object of a drill.</summary>
    public static string ObjectOf(string name) => "rbd-replication.drill." + name;

    /// <summary>What is written of a drill that is begun.</summary>
    public static IReadOnlyCollection<KeyValuePair<string, string>> Of(Drill drill)
    {
        ArgumentNullException.ThrowIfNull(drill);
        List<KeyValuePair<string, string>> keys =
        [
            new(Name, drill.Name), new(Created, drill.CreatedAt.ToString("O", CultureInfo.InvariantCulture)), new(Namespace, drill.Namespace), .. Of(drill.Members),
        ];
        if (drill.Group is not null)
            keys.Add(new(Group, drill.Group));
        return keys;
    }

    /// <summary>What is written of its volumes.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(IReadOnlyList<DrillMember> members) => members.Select((member, i) => KeyValuePair.Create(
        string.Create(CultureInfo.InvariantCulture, $"{MemberPrefix}{i:D4}"), JsonSerializer.Serialize(member, DrillJson.Default.DrillMember)));

    /// <summary>Takes a drill out of the object's keys; null where they cannot be read.</summary>
    public static Drill? Read(string name, IReadOnlyDictionary<string, string> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        try
        {
            List<DrillMember> members = [];
            foreach (var (_, json) in keys.Where(entry => entry.Key.StartsWith(MemberPrefix, StringComparison.Ordinal)).OrderBy(entry => entry.Key, StringComparer.Ordinal))
            {
                if (JsonSerializer.Deserialize(json, DrillJson.Default.DrillMember) is not { } member || !IsUsable(member))
                    return null;
                members.Add(member);
            }
            return members.Count > 0 && keys.TryGetValue(Namespace, out var space) && DateTimeOffset.TryParse(keys.GetValueOrDefault(Created), CultureInfo.InvariantCulture, out var created)
                ? new Drill(name, created, space, keys.GetValueOrDefault(Group), members) { IsComplete = keys.ContainsKey(Complete) }
                : null;
        }
        // A text with half a surrogate pair is no JsonException.
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return null;
        }
    }

    private static bool IsUsable(DrillMember member) =>
        VolumeHandle.TryParse(member.Source ?? "", out _, out _) && VolumeHandle.IsUuid(member.Uuid ?? "")
        && member is { SourceImage.Length: > 0, SourceImageId: not null, ImagePrefix: not null, Point.SnapshotName.Length: > 0 };
}
