using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace RbdReplication.Kubernetes.Secrets;

/// <summary>
/// The decoded data of a Secret. It prints as its name only: no log, message or debugger view shows a value by accident.
/// </summary>
[System.Diagnostics.DebuggerDisplay("{ToString(),nq}")]
public sealed class Secret
{
    [System.Diagnostics.DebuggerBrowsable(System.Diagnostics.DebuggerBrowsableState.Never)]
    private readonly IReadOnlyDictionary<string, byte[]> _data;

    internal Secret(ObjectName name, string resourceVersion, IReadOnlyDictionary<string, byte[]> data)
    {
        Name = name;
        ResourceVersion = resourceVersion;
        _data = data;
    }

    /// <summary>Namespace and name.</summary>
    public ObjectName Name { get; }

    /// <summary>Version of the object; it changes whenever the data may have changed.</summary>
    public string ResourceVersion { get; }

    /// <summary>The value of a key as text.</summary>
    public bool TryGetValue(string key, [NotNullWhen(true)] out string? value)
    {
        value = _data.TryGetValue(key, out var bytes) ? Encoding.UTF8.GetString(bytes) : null;
        return value is not null;
    }

    /// <summary>Every key and value as text, for a consumer that takes a map.</summary>
    public Dictionary<string, string> ToDictionary() =>
        _data.ToDictionary(entry => entry.Key, entry => Encoding.UTF8.GetString(entry.Value), StringComparer.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => $"secret {Name}";
}
