using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using RbdReplication.Tests.Structure;

namespace RbdReplication.Tests.Deploy;

public sealed partial class EventsPageTests
{
    private const BindingFlags All = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private sealed record Event(int Id, string Name, string Level);

    [Fact]
    public void The_debugging_page_lists_every_event_of_the_log_and_no_others()
    {
        var listed = Row().Matches(File.ReadAllText(Path.Combine(Manifests.Repository, "docs", "debugging.md")))
            .Select(row => new Event(int.Parse(row.Groups[1].ValueSpan, CultureInfo.InvariantCulture), row.Groups[2].Value, row.Groups[3].Value)).ToList();
        var logged = Logged();
        Assert.True(logged.Count > 30, $"only {logged.Count} were found");
        Assert.Equal(logged.OrderBy(entry => entry.Id), listed);
    }

    [Fact]
    public void No_id_is_used_twice()
    {
        Assert.Empty(Logged().GroupBy(entry => entry.Id).Where(group => group.Count() > 1).Select(group => group.Key));
        var names = OwnAssemblies.All.SelectMany(Names).ToList();
        Assert.Equal(names.Count, names.DistinctBy(name => name.Key).Count());
        Assert.Equal(names.Count, names.DistinctBy(name => name.Value, StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Every_name_of_an_event_is_used() =>
        Assert.Equal(OwnAssemblies.All.SelectMany(Names).Select(name => name.Key).Order(), Logged().Select(entry => entry.Id).Order());

    private static List<Event> Logged()
    {
        List<Event> events = [];
        foreach (var assembly in OwnAssemblies.All)
        {
            var names = Names(assembly);
            foreach (var message in assembly.GetTypes().SelectMany(type => type.GetMethods(All)).Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()).OfType<LoggerMessageAttribute>())
            {
                Assert.True(names.ContainsKey(message.EventId), $"{assembly.GetName().Name} has no name for event {message.EventId}, \"{message.Message}\"");
                events.Add(new Event(message.EventId, names[message.EventId], message.Level.ToString()));
            }
        }
        return events;
    }

    private static Dictionary<int, string> Names(Assembly assembly) =>
        assembly.GetTypes().Where(type => type.Name == "EventIds").SelectMany(type => type.GetFields(All)).ToDictionary(field => (int)field.GetRawConstantValue()!, field => field.Name);

    [GeneratedRegex(@"^\| ([0-9]{4}) \| `(\w+)` \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
